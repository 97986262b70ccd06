// Generated from hearing_server/signalling by `hearing schema --typescript`. Do not edit.
// Date-times are ISO 8601 strings in UTC.

export type Action = "call_witness" | "cancel" | "close" | "end_talk" | "leave" | "mute_and_lock" | "mute_other" | "mute_self" | "open_check_in" | "recess" | "reissue_link" | "release_witness" | "resume" | "set_camera" | "start" | "talk_to" | "unmute_other" | "unmute_self";

export interface ActionView {
  action: Action;
  person_id: string | null;
  allowed: boolean;
  reason_code: ReasonCode | null;
  parameters: Readonly<Record<string, string>>;
}

export interface Answer {
  type: "answer";
  connection: "downlink" | "uplink";
  epoch: number;
  negotiation: number;
  sdp: string;
  id: number;
}

export interface Authenticate {
  type: "authenticate";
  token: string;
  resume_from?: number | null;
  id: number;
}

export interface CallWitness {
  type: "call_witness";
  person_id: string;
  id: number;
}

export interface Cancel {
  type: "cancel";
  id: number;
}

export interface Candidate {
  type: "candidate";
  connection: "downlink" | "uplink";
  epoch: number;
  candidate: string;
  id: number;
}

export interface CaseView {
  number: string;
  title: string;
  court_name: string;
}

export interface Close {
  type: "close";
  id: number;
}

export interface EndTalk {
  type: "end_talk";
  id: number;
}

export interface EnterReply {
  resume_token: string;
  hearing_id: string;
  person_id: string;
  seat_id: string;
  role: string;
}

export interface ErrorReply {
  code: string;
  message: string;
  parameters?: Readonly<Record<string, string>>;
}

export interface Goodbye {
  type: "goodbye";
  code: "hearing_over" | "left" | "replaced" | "revoked" | "shutting_down" | "too_slow";
}

export interface Health {
  type: "health";
  seat_id: string;
  uplink: "bad" | "good" | "poor" | null;
  downlink: "bad" | "good" | "poor" | null;
  is_video_paused: boolean;
}

export type HearingState = "cancelled" | "check_in" | "closed" | "in_session" | "interrupted" | "recess" | "scheduled";

export interface HearingView {
  hearing_id: string;
  seq: number;
  state: HearingState;
  state_since: string | null;
  opened_at: string | null;
  recording: RecordingView;
  me: SeatView;
  seats: readonly SeatView[];
  actions: readonly ActionView[];
}

export interface IceServer {
  urls: readonly string[];
  username: string;
  credential: string;
}

export interface Leave {
  type: "leave";
  id: number;
}

export interface Link {
  type: "link";
  id: number;
  person_id: string;
  url: string;
}

export type Location = "courtroom" | "gallery" | "outside" | "waiting_room" | "witness_room";

export interface MediaState {
  type: "media_state";
  state: "connected" | "connecting" | "failed" | "lost";
  connection?: "downlink" | "uplink" | null;
  epoch?: number | null;
}

export interface Mute {
  type: "mute";
  person_id: string;
  lock?: boolean;
  id: number;
}

export interface Offer {
  type: "offer";
  connection: "downlink" | "uplink";
  epoch: number;
  negotiation: number;
  sdp: string;
  ice_servers?: readonly IceServer[];
}

export interface Ok {
  type: "ok";
  id: number;
}

export interface OpenCheckIn {
  type: "open_check_in";
  id: number;
}

export interface OpenMedia {
  type: "open_media";
  id: number;
}

export interface PeekReply {
  hearing_id: string;
  person_id: string;
  seat_id: string;
  role: string;
  name: string;
  case: CaseView;
  state: string;
}

export type Presence = "absent" | "left" | "lost" | "present";

export type ReasonCode = "already_muted" | "already_talking" | "another_witness_on_stand" | "mute_locked" | "muted_by_self" | "no_change" | "not_a_witness" | "not_in_courtroom" | "not_muted" | "not_present" | "not_talking" | "not_waiting" | "not_your_role" | "not_yourself" | "unknown_person" | "witness_already_called" | "witness_not_on_stand" | "witness_not_present" | "wrong_state";

export interface Recess {
  type: "recess";
  id: number;
}

export type RecorderProblemCode = "disk_full" | "disk_low" | "recorder_not_responding" | "stalled_input" | "write_failed";

export type RecordingState = "off" | "paused" | "problem" | "recording";

export interface RecordingView {
  state: RecordingState;
  since: string | null;
  problem_code: RecorderProblemCode | null;
  problem_seat_id: string | null;
}

export interface Refused {
  type: "refused";
  id: number | null;
  code: string;
  message: string;
  parameters?: Readonly<Record<string, string>>;
}

export interface ReissueLink {
  type: "reissue_link";
  person_id: string;
  id: number;
}

export interface ReleaseWitness {
  type: "release_witness";
  person_id: string;
  id: number;
}

export interface RequestStream {
  type: "request_stream";
  seat_id: string;
  kind: "audio" | "video";
  id: number;
}

export interface Resume {
  type: "resume";
  id: number;
}

export type Role = "clerk" | "counsel" | "observer" | "panel_judge" | "party" | "presiding_judge" | "witness";

export interface SeatView {
  seat_id: string;
  person_id: string;
  role: Role;
  side: Side | null;
  represents: string | null;
  presence: Presence;
  presence_since: string | null;
  location: Location;
  is_muted: boolean;
  is_muted_by_court: boolean;
  is_mute_locked: boolean;
  is_camera_on: boolean;
  testimony: TestimonyState | null;
  admit_at: string | null;
  receiving: readonly StreamKind[];
  is_talking_with_clerk: boolean;
}

export interface SetCamera {
  type: "set_camera";
  is_on: boolean;
  id: number;
}

export type Side = "defendant" | "plaintiff";

export interface Start {
  type: "start";
  id: number;
}

export type StreamKind = "audio" | "video";

export interface StreamLabel {
  mid: string;
  seat_id: string;
  kind: "audio" | "video";
}

export interface Streams {
  type: "streams";
  epoch: number;
  streams: readonly StreamLabel[];
}

export interface TalkTo {
  type: "talk_to";
  person_id: string;
  id: number;
}

export type TestimonyState = "called" | "released" | "testifying" | "waiting";

export interface Unmute {
  type: "unmute";
  person_id: string;
  id: number;
}

export interface View {
  type: "view";
  view: HearingView;
  names: Readonly<Record<string, string>>;
  case: CaseView;
  server_time: string;
}

export interface Welcome {
  type: "welcome";
  hearing_id: string;
  person_id: string;
  seat_id: string;
  role: string;
  server_time: string;
}

export type ClientMessage =
  | Authenticate
  | OpenCheckIn
  | Start
  | Recess
  | Resume
  | Close
  | Cancel
  | CallWitness
  | ReleaseWitness
  | Mute
  | Unmute
  | SetCamera
  | TalkTo
  | EndTalk
  | Leave
  | ReissueLink
  | OpenMedia
  | Answer
  | Candidate
  | RequestStream;

export type ServerNotice =
  | Welcome
  | View
  | Ok
  | Refused
  | Offer
  | Streams
  | MediaState
  | Health
  | Link
  | Goodbye;
