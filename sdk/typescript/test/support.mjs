// A miniature service: the routes of bots on a port of this machine, with answers to replace.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

export const vectors = JSON.parse(
  readFileSync(process.env.CUSTODY_VECTORS ?? new URL("../../../docs/custody-vectors.json", import.meta.url)),
);
export const bytes = (text) => Buffer.from(text, "base64url");

/** Every wait is short, so that an outage lasts milliseconds. */
export const QUICK = {
  heartbeat: 0.05,
  streamIdle: 2,
  shortestPause: 0.01,
  longestPause: 0.05,
  firstCheck: 0.01,
  check: 60,
  checkAgain: 60,
  records: 0.02,
  orders: 0.05,
};

export function configOf(changes = {}) {
  return {
    version: "v1",
    may_open_positions: true,
    blocked_by: [],
    key: {
      id: vectors.binding.key_id,
      label: "Perps",
      exchange: "okx",
      environment: "testnet",
      contract_type: "linear",
      version: 3,
    },
    endpoints: { rest: "https://exchange.test", websocket: null },
    assets: [],
    ...changes,
  };
}

/** The recorded release of the vectors in this suite, as the service would send it. */
export function releaseOf(suite, changes = {}) {
  const { account_id, bot_id, key_id, version, exchange, environment } = vectors.binding;
  const { sealed_data_key } = vectors.releases.find((each) => each.suite === suite);
  return {
    release_id: "0195b1c0-0000-7000-8000-00000000ffff",
    ...{ account_id, bot_id, key_id, version, exchange, environment, suite, sealed_data_key },
    nonce: vectors.seal.nonce,
    ciphertext: vectors.seal.ciphertext,
    sealed_api_key: null,
    endpoints: { rest: null, websocket: null },
    ...changes,
  };
}

export class Service {
  calls = [];
  streams = [];
  /** Answers by the last part of the path: [status, document, headers], or "lost". */
  faults = {};
  config = configOf();
  positions = {};
  records = {};
  refuses = {};
  #waiting = [];

  static async start() {
    const service = new Service();
    service.server = createServer((request, response) => service.#take(request, response));
    await new Promise((resolve) => service.server.listen(0, "127.0.0.1", resolve));
    service.url = `http://127.0.0.1:${service.server.address().port}`;
    return service;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  of(last) {
    return this.calls.filter((call) => call.path.endsWith(last));
  }

  async until(condition) {
    while (!condition()) {
      await new Promise((resolve) => this.#waiting.push(resolve));
    }
  }

  send(text) {
    this.streams.at(-1).write(text);
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    const body = text === "" ? null : JSON.parse(text);
    const { method, headers, url: path } = request;
    this.calls.push({ method, path, body, headers, at: performance.now() });
    this.#answer(path, body, headers, response);
    for (const wake of this.#waiting.splice(0)) {
      wake();
    }
  }

  #answer(path, body, headers, response) {
    const send = (status, document, more = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...more });
      response.end(status === 304 ? undefined : JSON.stringify(document));
    };
    const last = path.includes("/positions/") ? "positions" : path.split("/").at(-1);
    let fault = this.faults[last];
    fault = typeof fault === "function" ? fault(body) : fault;
    if (fault === "lost") {
      response.destroy();
    } else if (fault !== undefined) {
      send(...fault);
    } else if (last === "stream") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(": welcome\nretry: 10\n\n");
      this.streams.push(response);
    } else if (last === "config") {
      const etag = `"${this.config.version}"`;
      send(headers["if-none-match"] === etag ? 304 : 200, this.config, { etag });
    } else if (last === "heartbeat") {
      send(200, { config_version: this.config.version, may_open_positions: true });
    } else if (last === "orders") {
      send(200, body);
    } else if (last.startsWith("positions?")) {
      const all = Object.values(this.positions).filter(({ status }) => status !== "closed");
      const at = Number(new URLSearchParams(last).get("cursor") ?? 0);
      const next_cursor = at + 2 < all.length ? String(at + 2) : null;
      send(200, { items: all.slice(at, at + 2), next_cursor });
    } else if (last === "positions") {
      send(200, this.#store(decodeURIComponent(path.split("/").at(-1)), body));
    } else {
      send(200, { results: body.items.map((item) => this.#judge(last, item)) });
    }
  }

  #store(id, body) {
    const before = this.positions[id];
    if (before === undefined || body.revision >= before.revision) {
      const expires_at = body.status === "opening" ? "2126-11-22T12:00:00Z" : null;
      this.positions[id] = { id, expires_at, ...body };
    }
    return this.positions[id];
  }

  #judge(kind, item) {
    if (this.refuses[item.id] !== undefined) {
      return { id: item.id, status: "refused", code: this.refuses[item.id] };
    }
    const status = `${kind}/${item.id}` in this.records ? "duplicate" : "stored";
    this.records[`${kind}/${item.id}`] ??= item;
    return { id: item.id, status };
  }
}
