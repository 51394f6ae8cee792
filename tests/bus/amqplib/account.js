// Sends 10,000 messages through the broker at the URL given, with Node's client, and accounts for each: what pika's
// account.py does, by other ways. Every tenth is rejected and must come to the dead-letter queue, once. Every fifth of the
// others is put back once and must come again, marked as redelivered. The connection is lost in the middle.

import assert from "node:assert";
import amqp from "amqplib";

const MESSAGES = 10_000;
const LOST_AFTER = 4_000;
const QUEUE = "node.account";
const DEAD = "node.account.dead";
const url = process.argv[2];

const isDead = (number) => number % 10 === 3;
const isPutBack = (number) => number % 5 === 1;

const seen = new Map();
const again = new Set();
const count = (map, number) => map.set(number, (map.get(number) ?? 0) + 1);

async function connect() {
  const connection = await amqp.connect(url, { noDelay: true });
  // A connection that is lost on purpose is no error.
  connection.on("error", () => {});
  const channel = await connection.createConfirmChannel();
  await channel.prefetch(50);
  return { connection, channel };
}

// Takes deliveries until so many are settled; the rest is the connection's to give back.
function consume(channel, until) {
  return new Promise((resolve, reject) => {
    const take = (delivery) => {
      if (delivery === null) return reject(new Error("the consumer was cancelled"));
      if (seen.size >= until) return;
      const number = Number(delivery.content.toString());
      const { redelivered } = delivery.fields;
      if (isDead(number)) {
        count(seen, number);
        channel.reject(delivery, false);
      } else if (isPutBack(number) && !again.has(number)) {
        again.add(number);
        channel.nack(delivery, false, true);
      } else {
        if (isPutBack(number) && !redelivered) return reject(new Error(`${number} came again unmarked`));
        count(seen, number);
        channel.ack(delivery);
      }
      if (seen.size >= until) resolve();
    };
    channel.consume(QUEUE, take).catch(reject);
  });
}

async function refusals(connection) {
  const refused = async (code, act) => {
    const channel = await connection.createChannel();
    const closed = new Promise((resolve) => channel.once("error", resolve));
    act(channel)?.catch?.(() => {});
    assert.equal((await closed).code, code);
  };
  await refused(404, (channel) => channel.checkQueue("node.nowhere"));
  await refused(406, (channel) => channel.assertQueue(QUEUE, { durable: false }));
  await refused(406, (channel) => channel.ack({ fields: { deliveryTag: 7 } }));
  await refused(403, (channel) => channel.deleteExchange("amq.topic"));
}

async function unroutable(channel) {
  const returned = new Promise((resolve) => channel.once("return", resolve));
  channel.publish("", "node.nowhere", Buffer.from("lost"), { mandatory: true });
  const { fields, content } = await returned;
  assert.deepEqual([fields.replyCode, content.toString()], [312, "lost"]);
}

async function deadLetters(channel) {
  const dead = new Map();
  for (;;) {
    const letter = await channel.get(DEAD);
    if (letter === false) return dead;
    const [death] = letter.properties.headers["x-death"];
    assert.deepEqual([death.queue, death.reason, death.count], [QUEUE, "rejected", 1]);
    count(dead, Number(letter.content.toString()));
    channel.ack(letter);
  }
}

let { connection, channel } = await connect();
await channel.assertExchange(DEAD, "fanout");
await channel.assertQueue(DEAD);
await channel.bindQueue(DEAD, DEAD, "");
await channel.assertQueue(QUEUE, { deadLetterExchange: DEAD });
await refusals(connection);
await unroutable(channel);
for (let number = 0; number < MESSAGES; number++) {
  channel.sendToQueue(QUEUE, Buffer.from(String(number)), { persistent: true, mandatory: true });
}
await channel.waitForConfirms();
await consume(channel, LOST_AFTER);
// The answer comes once all that was settled before is taken note of. Then no goodbye: the broker finds out by the socket.
await channel.checkQueue(QUEUE);
connection.connection.stream.destroy();
({ connection, channel } = await connect());
await consume(channel, MESSAGES);

const twice = [...seen].filter(([, times]) => times > 1);
assert.deepEqual(twice, [], "came again after they were settled");
assert.equal((await channel.checkQueue(QUEUE)).messageCount, 0);
const dead = await deadLetters(channel);
const expected = [...seen.keys()].filter(isDead).sort((one, other) => one - other);
assert.deepEqual([...dead.keys()].sort((one, other) => one - other), expected);
assert.ok([...dead.values()].every((times) => times === 1), "a dead letter came twice");
await channel.deleteQueue(QUEUE);
await channel.deleteQueue(DEAD);
await channel.deleteExchange(DEAD);
await connection.close();
const acknowledged = [...seen.keys()].filter((number) => !isDead(number)).length;
console.log(`${acknowledged} acknowledged, ${again.size} put back, ${dead.size} dead-lettered`);
// The connection that was lost on purpose still has its timers.
process.exit(0);
