// A round trip with the client of OpenAPI Generator, typescript-fetch.
import assert from "node:assert/strict";
import {
  Configuration,
  KeyCreateFromJSON,
  KeysApi,
  ProblemFromJSON,
  ResponseError,
} from "./generated/fetch/index.js";

const { BASE_URL = "", TOKEN = "", KEY = "" } = process.env;
const keyCreate = KeyCreateFromJSON(JSON.parse(KEY));
const keys = new KeysApi(new Configuration({ basePath: BASE_URL, accessToken: TOKEN }));

const added = await keys.addKey({ keyCreate });
assert.equal(added.label, keyCreate.label);

const listed = await keys.listKeys({ environment: keyCreate.environment, limit: 10 });
assert.deepEqual(listed.items.map((key) => key.id), [added.id]);
assert.equal(listed.nextCursor, null);

const refused = await keys.addKey({ keyCreate }).catch((error: unknown) => error);
assert(refused instanceof ResponseError);
const problem = ProblemFromJSON(await refused.response.json());
assert.equal(problem.code, "key_already_added");
assert.equal(problem.keyId, added.id);

const unknown = ProblemFromJSON({ ...problem, code: "of_a_later_version" });
assert.equal(unknown.code, "of_a_later_version");
