// Loads many entries, reads some of them, and scans them all.
import { connect } from "kvgate";

interface Reading {
  celsius: number;
}

// Any iterable will do: an array, a Map, a generator, the lines of a file.
function* readings(count: number): Generator<[key: string, value: Reading]> {
  for (let n = 0; n < count; n += 1) {
    yield [`sensor-${n % 10}/${n}`, { celsius: 20 + Math.sin(n / 100) }];
  }
}

const client = connect(process.env["KVGATE_URL"] ?? "http://localhost:50051");
const collection = client.collection<Reading>("readings");

const stored = await collection.streamPutMany(readings(10_000), {
  ttl: 600,
  onStored: (count) => {
    if (count % 5_000 === 0) console.log(`${count} stored so far`);
  },
});
console.log(`${stored} stored`);

for await (const { key, value } of collection.streamGetMany(["sensor-1/1", "sensor-1/none"])) {
  console.log(key, value?.celsius.toFixed(2) ?? "is missing");
}

let count = 0;
let sum = 0;
for await (const { value } of collection.scan({ prefix: "sensor-3/" })) {
  count += 1;
  sum += value.celsius;
}
console.log(`sensor 3 has ${count} readings, ${(sum / count).toFixed(1)} °C on average`);

await client.store().deleteCollection("readings");
await client.close();
