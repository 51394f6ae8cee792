"""What a service in Python does with a broker, through pika: every line must hold against RabbitMQ as well."""
import os
import sys

import pika
from pika.exceptions import ChannelClosedByBroker, UnroutableError

connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.confirm_delivery()

dead = channel.queue_declare("", exclusive=True).method.queue
channel.exchange_declare("session.dead", "fanout", auto_delete=True)
channel.queue_bind(dead, "session.dead")
arguments = {"x-dead-letter-exchange": "session.dead", "x-max-length": 1000}
channel.queue_declare("session.work", durable=True, arguments=arguments)
channel.basic_qos(prefetch_count=10)

for number in range(200):
    properties = pika.BasicProperties(delivery_mode=2, correlation_id=str(number), headers={"number": number})
    channel.basic_publish("", "session.work", str(number).encode(), properties, mandatory=True)
try:
    channel.basic_publish("", "session.nowhere", b"", mandatory=True)
    raise AssertionError("an unroutable message was taken")
except UnroutableError:
    pass

seen = []
for method, properties, body in channel.consume("session.work"):
    number = int(body)
    assert properties.headers["number"] == number and properties.correlation_id == str(number)
    if number % 3 == 0 and not method.redelivered:
        channel.basic_nack(method.delivery_tag, requeue=True)
        continue
    seen.append(number)
    if number % 2:
        channel.basic_reject(method.delivery_tag, requeue=False)
    else:
        channel.basic_ack(method.delivery_tag)
    if len(seen) == 200:
        break
channel.cancel()
assert sorted(seen) == list(range(200))

letters = []
while len(letters) < 100:
    method, properties, body = channel.basic_get(dead, auto_ack=True)
    assert method, f"only {len(letters)} dead letters"
    [death] = properties.headers["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == ("session.work", "rejected", 1), death
    assert (death["exchange"], death["routing-keys"]) == ("", ["session.work"]), death
    letters.append(int(body))
assert sorted(letters) == list(range(1, 200, 2))

large = os.urandom(3_000_000)
channel.basic_publish("", "session.work", large)
assert channel.basic_get("session.work", auto_ack=True)[2] == large

for declare, code in [
    (lambda channel: channel.queue_declare("session.nowhere", passive=True), 404),
    (lambda channel: channel.queue_declare("session.work", durable=False), 406),
    (lambda channel: channel.basic_ack(7) or channel.queue_declare(dead, passive=True), 406),
    (lambda channel: channel.exchange_delete("amq.topic"), 403),
]:
    try:
        declare(connection.channel())
        raise AssertionError(f"no {code}")
    except ChannelClosedByBroker as closed:
        assert closed.reply_code == code, closed

assert channel.queue_delete("session.work").method.message_count == 0
connection.close()
