// The webcam: pictures go over one WebSocket, the newest wins, and results come back.
const WIDTH = 640, HEIGHT = 480, QUALITY = 0.8;
const MOST_SENT = 2; // pictures without an answer; another one would only wait
const FORGET_AFTER_S = 3; // an answer that did not come by then will not

export class Webcam {
  // onReady(), onFrame(frame, milliseconds from taking the picture), onEnd(words)
  constructor(video, onReady, onFrame, onEnd) {
    Object.assign(this, { video, onReady, onFrame, onEnd, isPaused: false, sent: [], ended: false });
  }

  async start() {
    if (!navigator.mediaDevices) throw new Error("Browsers give the webcam only to 127.0.0.1 and to https addresses.");
    this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH, height: HEIGHT, frameRate: 30 } })
      .catch((error) => { throw new Error(`The webcam cannot be opened: ${error.message}`); });
    this.video.srcObject = this.stream;
    await this.video.play();
    this.canvas = new OffscreenCanvas(this.video.videoWidth, this.video.videoHeight);
    this.pen = this.canvas.getContext("2d", { alpha: false });
    this.startMs = performance.now();
    const address = new URL("v1/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.stop(event.reason || "The webcam's connection to the service ended."));
  }

  take(told) {
    if (told.ready) { this.onReady(); this.next(); return; }
    if (told.error) { this.sent.shift(); return; }
    const takenMs = this.startMs + 1000 * told.time_s;
    // An older picture without an answer was passed over for this one.
    this.sent = this.sent.filter((each) => each > takenMs + 0.5);
    this.onFrame(told, performance.now() - takenMs);
  }

  next() {
    if (this.ended) return;
    this.video.requestVideoFrameCallback(() => { this.send(); this.next(); });
  }

  async send() {
    const now = performance.now();
    if (this.sent.length && now - this.sent[0] > 1000 * FORGET_AFTER_S) this.sent.length = 0;
    if (this.isPaused || this.sent.length >= MOST_SENT || this.socket.readyState !== WebSocket.OPEN) return;
    this.sent.push(now);
    this.pen.drawImage(this.video, 0, 0);
    const picture = await this.canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    const head = new DataView(new ArrayBuffer(8));
    head.setFloat64(0, (now - this.startMs) / 1000);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(new Blob([head, picture]));
  }

  order(word) { if (this.socket.readyState === WebSocket.OPEN) this.socket.send(word); }

  stop(words = "") {
    if (this.ended) return;
    this.ended = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
    this.socket?.close();
    this.onEnd(words);
  }
}
