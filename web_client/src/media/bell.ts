/** A soft two-tone bell through the loudspeaker, made here so that no file need load. */
const TONES_HZ = [659, 523];
const TONE_S = 0.5;

/** Ring once. Resolves when it has rung. */
export async function ringBell(): Promise<void> {
  const context = new AudioContext();
  await context.resume();
  const start = context.currentTime + 0.05;
  TONES_HZ.forEach((frequencyHz, index) => {
    const at = start + index * TONE_S;
    const tone = new OscillatorNode(context, { frequency: frequencyHz });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.3, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.001, at + TONE_S * 1.6);
    tone.connect(gain).connect(context.destination);
    tone.start(at);
    tone.stop(at + TONE_S * 1.7);
  });
  await new Promise((resolve) => setTimeout(resolve, TONES_HZ.length * TONE_S * 1000 + 500));
  await context.close();
}
