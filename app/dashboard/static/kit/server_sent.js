/** @file Reads a stream of server-sent events, as the HTML standard defines it (§9.2). */

/** The most that one event may hold, in characters; a longer one ends the stream. */
const LONGEST = 256 * 1024;

/**
 * @typedef {object} ServerSentEvent
 * @property {string} id the last id that was sent, also with an earlier event
 * @property {string} event
 * @property {string} data
 */

/**
 * Yields the events of a response's body; a comment is yielded as an event without data.
 *
 * @param {ReadableStream<any>} body
 * @returns {AsyncGenerator<ServerSentEvent>}
 */
export async function* serverSentEvents(body) {
  let kept = "";
  let id = "";
  let event = "";
  /** @type {string[]} */
  let data = [];
  let length = 0;
  /** @type {any} */
  const decoder = new TextDecoderStream();
  /** @type {ReadableStreamDefaultReader<string>} */
  const reader = body.pipeThrough(decoder).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      kept += value;
      const lines = kept.split(/\r\n|\n|\r(?!$)/);
      kept = lines.pop() ?? "";
      if (kept.length > LONGEST) throw new Error("an event is too long");
      for (const line of lines) {
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (line === "") {
          if (data.length) yield { id, event: event || "message", data: data.join("\n") };
          event = "";
          data = [];
          length = 0;
        } else if (colon === 0) yield { id, event: "comment", data: "" };
        else if (name === "data") {
          length += text.length;
          if (length > LONGEST) throw new Error("an event is too long");
          data.push(text);
        } else if (name === "event") event = text;
        else if (name === "id" && !text.includes("\0")) id = text;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
