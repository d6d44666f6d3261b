// A round trip with openapi-fetch and the types of openapi-typescript.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/schema.js";

const { BASE_URL = "", TOKEN = "", KEY = "" } = process.env;
const body: components["schemas"]["KeyCreate"] = JSON.parse(KEY);
const client = createClient<paths>({
  baseUrl: BASE_URL,
  headers: { Authorization: `Bearer ${TOKEN}` },
});

const added = await client.POST("/v1/keys", { body });
assert(added.data, JSON.stringify(added.error));
assert.equal(added.data.label, body.label);
assert.equal(added.response.headers.get("Location"), `/v1/keys/${added.data.id}`);

const listed = await client.GET("/v1/keys", {
  params: { query: { environment: body.environment, limit: 10 } },
});
assert(listed.data, JSON.stringify(listed.error));
assert.deepEqual(listed.data.items.map((key) => key.id), [added.data.id]);
assert.equal(listed.data.next_cursor, null);

const again = await client.POST("/v1/keys", { body });
assert(again.error);
const code: components["schemas"]["ProblemCode"] = again.error.code;
assert.equal(code, "key_already_added");
assert.equal(again.error.key_id, added.data.id);
