"""Answers for the functions that recorded cases call, as each case says its function behaves.

Usage: function_worker.py CASES, with AMQP_URL in the environment.
"""

import json
import os
import sys

import pika

behaviours = {}
with open(sys.argv[1]) as cases:
    for case in map(json.loads, cases):
        for function in case.get("lambdas", []):
            behaviours[function["name"]] = function["behaviour"]


def failure(behaviour):
    error, message = behaviour.split('"')[1], behaviour.split('"')[3]
    # What Lambda makes of an exception that leaves a Python handler.
    number, raised = 2, f'Exception("{message}")'
    if error == "CustomException":
        # Its text is the class's; as recorded, the exception itself has none.
        number, raised, message = 9, "CustomException()", ""
    line = f'  File "/var/task/handler.py", line {number}, in handler\n    raise {raised}\n'
    cause = {"errorMessage": message, "errorType": error, "requestId": "0" * 32, "stackTrace": [line]}
    return "failure", {"error": error, "cause": json.dumps(cause)}


def answer(behaviour, event):
    if behaviour.startswith("return the event"):
        return "success", event
    if behaviour.startswith("return {"):
        return "success", json.loads(behaviour.removeprefix("return "))
    if "HelloWorld!" in behaviour:
        return "success", "HelloWorld!"
    if "257*1024" in behaviour:
        return "success", "a" * 257 * 1024
    if behaviour.startswith("fail"):
        return failure(behaviour)
    if behaviour.startswith("sleep"):
        return None
    raise ValueError(f"nobody knows how to {behaviour}")


def serve(behaviour):
    def take(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        answered = answer(behaviour, json.loads(body))
        if answered is not None:
            kind, value = answered
            about = pika.BasicProperties(
                correlation_id=properties.correlation_id, type=kind, content_type="application/json"
            )
            channel.basic_publish("", properties.reply_to, json.dumps(value).encode(), about)

    return take


channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
for name, behaviour in behaviours.items():
    channel.queue_declare(name, durable=True)
    channel.basic_consume(name, serve(behaviour))
print("ready", flush=True)
channel.start_consuming()
