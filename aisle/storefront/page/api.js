// The HTTP interface, and what can go wrong with it in words that a shopper understands.
import { el } from "./dom.js";
import { say } from "./words.js";
import { token, freshToken } from "./shopper.js";

const PATIENCE_MS = 8000;
const KINDS = { 401: "refused", 404: "missing", 405: "missing", 400: "refused", 413: "refused", 429: "busy", 503: "busy" };

export class Failure extends Error {
  constructor(kind, { status = 0, requestId = "", retryAfterS = 0 } = {}) {
    super(kind);
    Object.assign(this, { kind, status, requestId, retryAfterS });
  }
}

// The answer as JSON. Raises Failure, or AbortError where `signal` ended it.
export async function call(path, { method, body, signal, personal = false } = {}) {
  let response = await asked(path, { method, body, signal, headers: personal ? await token() : {} });
  if (response.status === 401 && personal) {
    response = await asked(path, { method, body, signal, headers: await freshToken() });
  }
  if (!response.ok) throw refused(response);
  try {
    return await response.json();
  } catch (error) {
    throw told(error, signal);
  }
}

async function asked(path, { method, body, signal, headers }) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const json = body === undefined ? {} : { "content-type": "application/json" };
  try {
    return await fetch(path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: { ...json, ...headers },
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (error) {
    throw told(error, signal);
  }
}

function told(error, signal) {
  if (signal?.aborted) return error;
  return new Failure(error.name === "TimeoutError" ? "slow" : error.name === "SyntaxError" ? "broken" : "offline");
}

function refused(response) {
  return new Failure(KINDS[response.status] ?? "broken", {
    status: response.status,
    requestId: response.headers.get("x-request-id") ?? "",
    retryAfterS: Number(response.headers.get("retry-after")) || 0,
  });
}

// The answer of something that this server may not have, such as recommendations of an older bundle: null without it.
export async function ifThere(answer) {
  try {
    return await answer;
  } catch (error) {
    if (error.kind === "missing") return null;
    throw error;
  }
}

// A page, or a part of one, that says what happened and offers to try again.
export function failure(error, retry, heading = "h1") {
  const kind = error instanceof Failure ? error.kind : "broken";
  if (!(error instanceof Failure)) console.error(error);
  const [title, text] = say("failures")[kind];
  const button = el("button", { type: "button", class: "button", id: "retry", onclick: retry }, say("retry"));
  if (error.retryAfterS) {
    button.disabled = true;
    setTimeout(() => (button.disabled = false), Math.min(error.retryAfterS, 30) * 1000);
  }
  const reference = error.requestId && kind !== "missing" ? el("p", { class: "soft small" }, say("reference")(error.requestId)) : null;
  const notice = el("section", { class: "notice big", "data-failure": kind }, el(heading, { tabindex: "-1" }, title), el("p", {}, text), button, reference);
  return { title, said: `${title}. ${text}`, nodes: [notice] };
}
