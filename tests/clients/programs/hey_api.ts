// A round trip with the client of @hey-api/openapi-ts.
import assert from "node:assert/strict";
import { client } from "./generated/hey/client.gen.js";
import { addKey, getBot, listKeys } from "./generated/hey/index.js";
import type { KeyCreateWritable, Problem } from "./generated/hey/index.js";

const { BASE_URL = "", TOKEN = "", KEY = "" } = process.env;
const body: KeyCreateWritable = JSON.parse(KEY);
client.setConfig({ baseUrl: BASE_URL, auth: TOKEN });

const added = await addKey({ body });
assert(added.data, JSON.stringify(added.error));
assert.equal(added.data.label, body.label);

const listed = await listKeys({ query: { environment: body.environment, limit: 10 } });
assert(listed.data, JSON.stringify(listed.error));
assert.deepEqual(listed.data.items.map((key) => key.id), [added.data.id]);
assert.equal(listed.data.next_cursor, null);

const again = await addKey({ body });
assert(again.error);
const problem: Problem = again.error;
assert.equal(problem.code, "key_already_added");
assert.equal(problem.key_id, added.data.id);

const missing = await getBot({ path: { bot_id: added.data.id } });
assert.equal(missing.error?.code, "not_found");
