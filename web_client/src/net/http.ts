/** The two HTTP calls of entry. Both take the link's token in the body, so that it stands in no log. */
import type { EnterReply, ErrorReply, PeekReply } from "./messages.gen.ts";

/** The server's answer is an error, or there is no answer (`code` "unreachable"). */
export class RequestError extends Error {
  constructor(
    readonly code: string,
    readonly parameters: Readonly<Record<string, string>> = {},
  ) {
    super(code);
  }
}

async function post<Reply>(path: string, body: object): Promise<Reply> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
    });
  } catch {
    throw new RequestError("unreachable");
  }
  if (response.ok) return (await response.json()) as Reply;
  const error = (await response.json().catch(() => null)) as ErrorReply | null;
  throw new RequestError(error?.code ?? "internal_error", error?.parameters ?? {});
}

/** Ask what a link opens without using it up. */
export function peek(linkToken: string): Promise<PeekReply> {
  return post("/api/peek", { link_token: linkToken });
}

/** Use the link up and get this tab's resume token. */
export function enter(linkToken: string): Promise<EnterReply> {
  return post("/api/enter", { link_token: linkToken });
}
