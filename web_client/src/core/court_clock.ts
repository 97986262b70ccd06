/** The court's time: the server's clock, carried on by this machine. Pages show it, never their own. */
let offsetMs = 0;

export function setServerTime(iso: string): void {
  const at = Date.parse(iso);
  if (!Number.isNaN(at)) offsetMs = at - Date.now();
}

export function nowMs(): number {
  return Date.now() + offsetMs;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Local time of day, `10:02:31` or `10:02`. */
export function clockText(atMs: number, withSeconds: boolean): string {
  const at = new Date(atMs);
  const text = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${text}:${two(at.getSeconds())}` : text;
}

/** A duration as `00:42:17`. Never negative. */
export function elapsedText(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** Whole seconds until `iso`, rounded up, never negative. */
export function secondsUntil(iso: string, atMs: number): number {
  return Math.max(0, Math.ceil((Date.parse(iso) - atMs) / 1000));
}

export function minutesSince(iso: string, atMs: number): number {
  return Math.max(0, Math.floor((atMs - Date.parse(iso)) / 60_000));
}
