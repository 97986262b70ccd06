/** What this tab keeps across a reload: its seat's resume token and its choices. Another tab may hold another seat. */
import type { Role } from "../net/messages.gen.ts";

export interface SeatSession {
  hearing_id: string;
  seat_id: string;
  role: Role;
  resume_token: string;
}

export interface DeviceChoice {
  camera_id: string | null;
  microphone_id: string | null;
}

const SEAT_KEY = "hearing.seat";
const DEVICE_KEY = "hearing.devices";

function read<T>(key: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null") as T | null;
  } catch {
    return null;
  }
}

export function readSeat(): SeatSession | null {
  return read<SeatSession>(SEAT_KEY);
}

export function keepSeat(session: SeatSession): void {
  sessionStorage.setItem(SEAT_KEY, JSON.stringify(session));
}

export function forgetSeat(): void {
  sessionStorage.removeItem(SEAT_KEY);
}

export function readDevices(): DeviceChoice {
  return read<DeviceChoice>(DEVICE_KEY) ?? { camera_id: null, microphone_id: null };
}

export function keepDevices(choice: DeviceChoice): void {
  sessionStorage.setItem(DEVICE_KEY, JSON.stringify(choice));
}
