// Runs in every page before the page's own scripts: remembers its peer connections and what the server said.
(() => {
  const connections = [];
  const mostReceived = { audio: new Map(), video: new Map() }; // "connection/stat id" -> packets, also of closed ones
  const last = {}; // notice type -> the latest one
  const moments = []; // when the own place in the hearing changed

  function notice(message) {
    last[message.type] = message;
    if (message.type !== "view") return;
    const { state, me } = message.view;
    const now = { state, location: me.location, testimony: me.testimony };
    const before = moments.at(-1);
    if (before && Object.keys(now).every((key) => before[key] === now[key])) return;
    moments.push({ ...now, at_ms: performance.timeOrigin + performance.now() });
  }

  window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
    construct(native, settings) {
      const connection = new native(...settings);
      connections.push(connection);
      return connection;
    },
  });

  window.WebSocket = new Proxy(window.WebSocket, {
    construct(native, settings) {
      const socket = new native(...settings);
      window.hearingProbe.socket = socket;
      socket.addEventListener("message", (event) => {
        if (typeof event.data === "string") notice(JSON.parse(event.data));
      });
      return socket;
    },
  });

  // The fake camera gives as many frames as are asked for. Ten are a moving picture, and cost a third of the usual 25.
  const media = navigator.mediaDevices; // absent on pages without a secure origin
  const getUserMedia = media?.getUserMedia.bind(media);
  if (media) {
    media.getUserMedia = ({ audio, video }) =>
      getUserMedia({ audio, video: video && { ...(video === true ? {} : video), frameRate: { max: 10 } } });
  }

  async function read() {
    const sent = { audio: 0, video: 0 };
    const sections = {}; // mid -> what the downlink received there
    let lastPacketAtMs = null;
    for (const [index, connection] of connections.entries()) {
      const isOpen = connection.signalingState !== "closed";
      for (const stat of (await connection.getStats()).values()) {
        if (stat.type === "outbound-rtp" && isOpen) sent[stat.kind] += stat.packetsSent;
        if (stat.type !== "inbound-rtp") continue;
        const key = `${index}/${stat.id}`;
        const most = mostReceived[stat.kind];
        most.set(key, Math.max(stat.packetsReceived, most.get(key) ?? 0));
        if (stat.lastPacketReceivedTimestamp) {
          lastPacketAtMs = Math.max(lastPacketAtMs ?? 0, stat.lastPacketReceivedTimestamp);
        }
        if (isOpen) {
          sections[stat.mid] = {
            packets: stat.packetsReceived,
            frames: stat.framesDecoded ?? 0,
            energy: stat.totalAudioEnergy ?? 0,
          };
        }
      }
    }
    const streams = {}; // "seat/kind" -> section
    for (const { mid, seat_id, kind } of last.streams?.streams ?? []) {
      if (sections[mid]) streams[`${seat_id}/${kind}`] = sections[mid];
    }
    const total = (counts) => [...counts.values()].reduce((sum, packets) => sum + packets, 0);
    const received = { audio: total(mostReceived.audio), video: total(mostReceived.video) };
    const frames = Object.values(sections).reduce((sum, section) => sum + section.frames, 0);
    return { received, frames, sent, streams, lastPacketAtMs };
  }

  // Resolves with the time (ms since 1970) at which a frame was first seen decoded, looked for every 10 ms.
  async function firstFrame(giveUpAfterMs) {
    const end = performance.now() + giveUpAfterMs;
    while (performance.now() < end) {
      if ((await read()).frames > 0) return performance.timeOrigin + performance.now();
      await new Promise((wake) => setTimeout(wake, 10));
    }
    return null;
  }

  // Resolves with the time (ms since 1970) at which `count` people were first seen and heard, looked for every 20 ms.
  async function everybody(count, giveUpAfterMs) {
    const end = performance.now() + giveUpAfterMs;
    while (performance.now() < end) {
      const streams = Object.entries((await read()).streams);
      const alive = (kind, what) => streams.filter(([name, one]) => name.endsWith(`/${kind}`) && one[what] > 0).length;
      if (alive("video", "frames") >= count && alive("audio", "packets") >= count) {
        return performance.timeOrigin + performance.now();
      }
      await new Promise((wake) => setTimeout(wake, 20));
    }
    return null;
  }

  window.hearingProbe = { connections, last, moments, notice, read, firstFrame, everybody, socket: null };
  setInterval(read, 500); // so that a connection that is closed later has been counted
})();
