"""A request/reply worker as in RabbitMQ's own tutorial: it knows queues and JSON, and nothing of Sagamore."""
import json
import os
import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()


def on_request(channel, method, properties, body):
    number = json.loads(body)["number"]
    channel.basic_publish(
        exchange="",
        routing_key=properties.reply_to,
        properties=pika.BasicProperties(correlation_id=properties.correlation_id),
        body=json.dumps({"double": 2 * number}),
    )
    channel.basic_ack(delivery_tag=method.delivery_tag)


channel.queue_declare(queue=sys.argv[1], durable=True)
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue=sys.argv[1], on_message_callback=on_request)
channel.start_consuming()
