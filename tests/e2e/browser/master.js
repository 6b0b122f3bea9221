// A master as in AWS's own samples: its SDK's signaling client, one peer per viewer.
import { Role, SignalingClient } from "amazon-kinesis-video-streams-webrtc";

const FRAME_RATE = 20;

const canvas = document.getElementById("canvas");
const context = canvas.getContext("2d");
const peers = new Map();
const errors = [];
let offers = 0;
let client;
let track;

// The picture of harness/pattern.py: a strip of 24 squares that say which camera and
// which frame it is, three colour fields in the camera's order, and something moving.
const CELLS = 24;
const COLOURS = ["rgb(200 30 30)", "rgb(30 170 30)", "rgb(40 40 210)"];
const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

function draw(camera, number) {
  const { width, height } = canvas;
  context.fillStyle = "rgb(105 105 105)";
  context.fillRect(0, 0, width, height);
  const check = (camera * 5 + number * 3 + (number >> 4) + 9) & 0b1111;
  const word = (0b1010 << 20) | (camera << 14) | (number << 4) | check;
  const cell = (width * 0.8) / CELLS;
  for (let index = 0; index < CELLS; index += 1) {
    const isSet = (word >> (CELLS - 1 - index)) & 1;
    context.fillStyle = isSet ? "rgb(235 235 235)" : "rgb(16 16 16)";
    const left = Math.round(width * 0.1 + index * cell);
    const right = Math.round(width * 0.1 + (index + 1) * cell);
    context.fillRect(left, height * 0.06, right - left, height * 0.09);
  }
  ORDERS[camera % ORDERS.length].forEach((colour, index) => {
    const field = (width * 0.8) / 3;
    context.fillStyle = COLOURS[colour];
    context.fillRect(width * 0.1 + index * field, height * 0.2, field, height * 0.15);
  });
  const side = height / 6;
  context.fillStyle = "white";
  context.fillRect((number * 8) % (width - side), height * 0.6, side, side);
}

window.startCamera = (camera, frames) => {
  let number = 0;
  draw(camera, number);
  setInterval(() => {
    number = (number + 1) % frames;
    draw(camera, number);
  }, 1000 / FRAME_RATE);
  [track] = canvas.captureStream(FRAME_RATE).getVideoTracks();
};

// Whatever codec the answer names, Chromium sends the first of the offer unless told.
async function sendH264(peer) {
  const sender = peer.getSenders().find((one) => one.track === track);
  const parameters = sender.getParameters();
  const codec = parameters.codecs.find((one) => one.mimeType === "video/H264");
  parameters.encodings[0].codec = RTCRtpSender.getCapabilities("video").codecs.find(
    (one) => one.mimeType === codec.mimeType && one.sdpFmtpLine === codec.sdpFmtpLine,
  );
  await sender.setParameters(parameters);
}

async function answer(options, offer, viewer) {
  peers.get(viewer)?.close();
  const peer = new RTCPeerConnection({
    iceServers: options.iceServers,
    iceTransportPolicy: options.relayOnly ? "relay" : "all",
  });
  offers += 1;
  peer.offer = offers;
  peers.set(viewer, peer);
  peer.addTrack(track, new MediaStream([track]));
  peer.ontrack = (event) => {
    if (event.track.kind === "audio") {
      // Chromium decodes no sound that is not played.
      peer.speaker = new Audio();
      peer.speaker.srcObject = new MediaStream([event.track]);
      peer.speaker.play().catch((error) => errors.push(String(error)));
    }
  };
  peer.onicecandidate = ({ candidate }) => {
    if (candidate) {
      client.sendIceCandidate(candidate, viewer);
    }
  };
  peer.onconnectionstatechange = () => {
    if (["disconnected", "failed"].includes(peer.connectionState)) {
      peer.close();
      if (peers.get(viewer) === peer) {
        peers.delete(viewer);
      }
    }
  };
  await peer.setRemoteDescription(offer);
  const video = peer.getTransceivers().find((one) => one.sender.track === track);
  const codecs = RTCRtpReceiver.getCapabilities("video").codecs;
  video.setCodecPreferences(codecs.filter((one) => one.mimeType === "video/H264"));
  await peer.setLocalDescription();
  await sendH264(peer);
  client.sendSdpAnswer(peer.localDescription, viewer);
}

window.connectMaster = (options) =>
  new Promise((resolve) => {
    client = new SignalingClient({
      channelARN: options.channelArn,
      channelEndpoint: options.endpoint,
      role: Role.MASTER,
      region: options.region,
      credentials: options.credentials,
      systemClockOffset: 0,
    });
    client.on("open", resolve);
    client.on("sdpOffer", (offer, viewer) => {
      answer(options, offer, viewer).catch((error) => errors.push(String(error)));
    });
    client.on("iceCandidate", (candidate, viewer) => {
      peers
        .get(viewer)
        ?.addIceCandidate(candidate)
        .catch((error) => errors.push(String(error)));
    });
    client.on("error", (error) => errors.push(String(error)));
    client.open();
  });

window.disconnectMaster = () => {
  client.close();
  for (const peer of peers.values()) {
    peer.close();
  }
  peers.clear();
};

window.connectedOffers = () =>
  [...peers.values()]
    .filter((peer) => peer.connectionState === "connected")
    .map((peer) => peer.offer);

// The energy of all sound that came: https://www.w3.org/TR/webrtc-stats/
window.heardEnergy = async () => {
  let energy = 0;
  for (const peer of peers.values()) {
    for (const one of (await peer.getStats()).values()) {
      if (one.type === "inbound-rtp" && one.kind === "audio") {
        energy += one.totalAudioEnergy ?? 0;
      }
    }
  }
  return energy;
};

window.masterReport = async () => {
  const viewers = [];
  for (const peer of peers.values()) {
    const statistics = [...(await peer.getStats()).values()];
    const outbound = statistics.find(
      (one) => one.type === "outbound-rtp" && one.kind === "video",
    );
    const codec = statistics.find((one) => one.id === outbound?.codecId);
    const transport = statistics.find((one) => one.type === "transport");
    const pair = statistics.find(
      (one) => one.id === transport?.selectedCandidatePairId,
    );
    const local = statistics.find((one) => one.id === pair?.localCandidateId);
    viewers.push({
      offer: peer.offer,
      state: peer.connectionState,
      codec: codec?.mimeType,
      candidateType: local?.candidateType,
      framesSent: outbound?.framesSent ?? 0,
    });
  }
  return { viewers, errors };
};
