"""Sends 10,000 messages through the broker at the URL given, and accounts for each.

Every tenth is rejected and must come to the dead-letter queue, once. Every fifth of the others is put back once and must
come again, marked as redelivered. The connection is lost in the middle: what was not acknowledged comes again.
"""

import socket
import sys
from collections import Counter

import pika

MESSAGES = 10_000
LOST_AFTER = 4_000
QUEUE, DEAD = "account", "account.dead"


def is_dead(number):
    return number % 10 == 3


def is_put_back(number):
    return number % 5 == 1


def connect(url):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=50)
    return connection, channel


def consume(channel, seen, again, count):
    """Takes up to `count` deliveries; those left unacknowledged are the connection's to give back."""
    for method, _, body in channel.consume(QUEUE, inactivity_timeout=10):
        if method is None:
            raise SystemExit(f"nothing came for 10 seconds; {MESSAGES - len(seen)} are missing")
        number = int(body)
        if is_dead(number):
            seen[number] += 1
            channel.basic_reject(method.delivery_tag, requeue=False)
        elif is_put_back(number) and number not in again:
            again.add(number)
            channel.basic_nack(method.delivery_tag, requeue=True)
        else:
            assert method.redelivered or not is_put_back(number), f"{number} came again unmarked"
            seen[number] += 1
            channel.basic_ack(method.delivery_tag)
        if len(seen) == count or len(seen) == MESSAGES:
            return


def main():
    url = sys.argv[1]
    connection, channel = connect(url)
    channel.exchange_declare(DEAD, "fanout")
    channel.queue_declare(DEAD, durable=True)
    channel.queue_bind(DEAD, DEAD)
    channel.queue_declare(QUEUE, durable=True, arguments={"x-dead-letter-exchange": DEAD})
    for number in range(MESSAGES):
        channel.basic_publish("", QUEUE, str(number).encode(), mandatory=True)

    seen, again = Counter(), set()
    consume(channel, seen, again, LOST_AFTER)
    # The answer comes once all that was settled before is taken note of. Then no goodbye: the broker finds out by the
    # socket.
    channel.queue_declare(QUEUE, passive=True)
    connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)
    connection, channel = connect(url)
    consume(channel, seen, again, None)
    channel.cancel()

    twice = [number for number, times in seen.items() if times > 1]
    assert not twice, f"came again after they were settled: {twice[:10]}"
    assert channel.queue_declare(QUEUE, passive=True).method.message_count == 0
    dead = Counter()
    for method, properties, body in channel.consume(DEAD, inactivity_timeout=10):
        if method is None:
            raise SystemExit(f"only {len(dead)} dead letters came")
        death = properties.headers["x-death"][0]
        assert (death["queue"], death["reason"], death["count"]) == (QUEUE, "rejected", 1), death
        dead[int(body)] += 1
        channel.basic_ack(method.delivery_tag)
        if len(dead) == MESSAGES // 10:
            break
    channel.cancel()
    expected = Counter(number for number in range(MESSAGES) if is_dead(number))
    assert dead == expected, "not every rejected message is a dead letter once"
    assert channel.queue_declare(DEAD, passive=True).method.message_count == 0
    channel.queue_delete(QUEUE)
    channel.queue_delete(DEAD)
    channel.exchange_delete(DEAD)
    connection.close()
    acknowledged = sum(1 for number in seen if not is_dead(number))
    print(f"{acknowledged} acknowledged, {len(again)} put back, {len(dead)} dead-lettered")


main()
