/** `window.hearing`: what measurements and browser tests read. Nothing can be changed through it. */
import type { HearingApp } from "../pages/app.ts";
import type { HearingView } from "../net/messages.gen.ts";

export interface Measurement {
  /** "uplink" and "downlink" -> the current peer connection, for getStats. */
  readonly peerConnections: ReadonlyMap<string, RTCPeerConnection>;
  readonly view: HearingView | null;
  readonly phase: string | null;
  readonly mediaHealth: string | null;
}

declare global {
  interface Window {
    readonly hearing: Measurement;
  }
}

export function exposeForMeasurement(): void {
  const client = () => document.querySelector<HearingApp>("hearing-app")?.client ?? null;
  const measurement: Measurement = Object.freeze({
    get peerConnections() {
      return client()?.media.peerConnections() ?? new Map<string, RTCPeerConnection>();
    },
    get view() {
      return client()?.view ?? null;
    },
    get phase() {
      return client()?.phase ?? null;
    },
    get mediaHealth() {
      return client()?.media.health ?? null;
    },
  });
  Object.defineProperty(window, "hearing", { value: measurement, writable: false, configurable: false });
}
