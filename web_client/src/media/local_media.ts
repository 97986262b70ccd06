/** This person's camera and microphone: opened together, and each alone when the other is refused or missing. */
import type { DeviceChoice } from "../core/seat_session.ts";

export type DeviceKind = "camera" | "microphone";
/** `denied`: the person or the system said no. `absent`: there is none. `busy`: another program holds it. */
export type DeviceProblem = "denied" | "absent" | "busy";

const AUDIO: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export function videoConstraints(isPhone: boolean): MediaTrackConstraints {
  const [width, height] = isPhone ? [640, 360] : [1280, 720];
  return { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 25, max: 30 } };
}

export function problemOf(errorName: string): DeviceProblem {
  if (errorName === "NotAllowedError" || errorName === "SecurityError") return "denied";
  if (errorName === "NotReadableError" || errorName === "AbortError") return "busy";
  return "absent";
}

/** With a device id the constraint is `ideal`, not `exact`: a camera that was unplugged is replaced, not an error. */
function constraintsOf(choice: DeviceChoice, isPhone: boolean): { audio: MediaTrackConstraints; video: MediaTrackConstraints } {
  return {
    audio: choice.microphone_id ? { ...AUDIO, deviceId: { ideal: choice.microphone_id } } : AUDIO,
    video: { ...videoConstraints(isPhone), ...(choice.camera_id ? { deviceId: { ideal: choice.camera_id } } : {}) },
  };
}

export class LocalMedia extends EventTarget {
  #audio: MediaStreamTrack | null = null;
  #video: MediaStreamTrack | null = null;
  #isMuted = false;
  #isCameraOn = true;
  #problems = new Map<DeviceKind, DeviceProblem>();
  #opening: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Video only, for the preview; the same object as long as the camera is the same. */
  #preview: MediaStream | null = null;

  get audio(): MediaStreamTrack | null {
    return this.#audio;
  }

  get video(): MediaStreamTrack | null {
    return this.#video;
  }

  get preview(): MediaStream | null {
    return this.#preview;
  }

  problem(kind: DeviceKind): DeviceProblem | null {
    return this.#problems.get(kind) ?? null;
  }

  /** Resolves when the devices asked for last are open, or known not to open. Never rejects. */
  get ready(): Promise<void> {
    return this.#opening;
  }

  /** Open (or change) the devices. "change" is dispatched when tracks or problems have changed. */
  open(choice: DeviceChoice, isPhone: boolean): Promise<void> {
    this.#opening = this.#opening.then(() => this.#open(choice, isPhone));
    return this.#opening;
  }

  /** The server mutes; this only stops the sound from leaving the machine as well. */
  setMuted(isMuted: boolean): void {
    this.#isMuted = isMuted;
    if (this.#audio) this.#audio.enabled = !isMuted;
  }

  setCameraOn(isOn: boolean): void {
    this.#isCameraOn = isOn;
    if (this.#video) this.#video.enabled = isOn;
  }

  /** Release the devices. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#keep("microphone", null);
    this.#keep("camera", null);
  }

  async #open(choice: DeviceChoice, isPhone: boolean): Promise<void> {
    if (this.#isClosed) return;
    const { audio, video } = constraintsOf(choice, isPhone);
    const stream = await this.#request({ audio, video }, null);
    const sound = stream ?? (await this.#request({ audio }, "microphone"));
    const picture = stream ?? (await this.#request({ video }, "camera"));
    if (sound) this.#problems.delete("microphone");
    if (picture) this.#problems.delete("camera");
    this.#keep("microphone", sound?.getAudioTracks()[0] ?? null);
    this.#keep("camera", picture?.getVideoTracks()[0] ?? null);
    if (this.#isClosed) this.close();
    else this.dispatchEvent(new Event("change"));
  }

  async #request(constraints: MediaStreamConstraints, only: DeviceKind | null): Promise<MediaStream | null> {
    try {
      // Without https (or localhost) a browser has no mediaDevices at all.
      if (!navigator.mediaDevices) throw new DOMException("insecure page", "SecurityError");
      return await navigator.mediaDevices.getUserMedia(constraints);
    } catch (error) {
      if (only) this.#problems.set(only, problemOf((error as DOMException).name));
      return null;
    }
  }

  #keep(kind: DeviceKind, track: MediaStreamTrack | null): void {
    const old = kind === "camera" ? this.#video : this.#audio;
    if (old && old !== track) {
      old.onended = null;
      old.stop();
    }
    if (track) this.#prepare(kind, track);
    if (kind === "microphone") {
      this.#audio = track;
    } else {
      if (track !== old) this.#preview = track ? new MediaStream([track]) : null;
      this.#video = track;
    }
  }

  #prepare(kind: DeviceKind, track: MediaStreamTrack): void {
    // Faces in motion: keep the frame rate and let the picture soften when the network is weak.
    track.contentHint = kind === "camera" ? "motion" : "speech";
    track.enabled = kind === "camera" ? this.#isCameraOn : !this.#isMuted;
    track.onended = () => {
      this.#problems.set(kind, "absent");
      this.#keep(kind, null);
      this.dispatchEvent(new Event("change"));
    };
  }
}

export interface DeviceList {
  cameras: readonly MediaDeviceInfo[];
  microphones: readonly MediaDeviceInfo[];
}

export async function listDevices(): Promise<DeviceList> {
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  // Before permission is given, entries have no id and no label: nothing to choose from.
  const named = all.filter((device) => device.deviceId !== "");
  return {
    cameras: named.filter((device) => device.kind === "videoinput"),
    microphones: named.filter((device) => device.kind === "audioinput"),
  };
}
