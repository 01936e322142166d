import { connect } from "kvgate";

interface User {
  name: string;
  visits: number;
}

const client = connect(process.env["KVGATE_URL"] ?? "http://localhost:50051");
const users = client.collection<User>("users");

await users.put("ada", { name: "Ada Lovelace", visits: 1 }, { ttl: 3600 });
const ada = await users.get("ada"); // User | undefined: missing is not an error
console.log(ada?.name, "visited", ada?.visits, "times");

for (const { key, value } of await users.getMany(["ada", "nobody"])) {
  console.log(key, value ? "is known" : "is unknown");
}
console.log("deleted:", await users.delete("ada"));

await client.close();
