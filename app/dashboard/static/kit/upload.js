/** @file Sends a file to the service, and says how far it is: `fetch` does not tell. */

import { address, ApiProblem, sessionEnded } from "./api.js";

/**
 * @param {string} path
 * @param {Record<string, unknown>} query
 * @param {Blob} file
 * @param {{ type: string, stop: AbortSignal, onSent: (share: number) => void }} options
 * @returns {Promise<any>} the decoded answer
 * @throws {ApiProblem} for every answer that is not a success, and if none came
 */
export function upload(path, query, file, { type, stop, onSent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(path, query));
    request.setRequestHeader("Content-Type", type);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-Botkeys", "1");
    request.upload.onprogress = ({ loaded, total }) => onSent(total ? loaded / total : 1);
    request.onload = () => {
      const body = decoded(request.responseText);
      if (request.status >= 200 && request.status < 300 && body) return resolve(body);
      const problem = new ApiProblem(request.status, body ?? { detail: "Another server answered. Try again." });
      if (request.status === 401) sessionEnded.value ??= problem.code;
      reject(problem);
    };
    const broken = () =>
      reject(
        new ApiProblem(0, {
          code: "no_answer",
          detail: "The file did not arrive whole, so that nothing of it was stored. Sending it again is safe.",
        }),
      );
    request.onerror = broken;
    request.onabort = broken;
    stop.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

/** @param {string} text */
function decoded(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
