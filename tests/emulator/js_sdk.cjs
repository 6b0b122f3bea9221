// A master and a viewer that are AWS's own JS SDK; speaks JSON lines with the test.
// Arguments: one JSON object {region, arn, wss: {MASTER, VIEWER}, credentials}.

globalThis.WebSocket = require('ws');
const { Role, SignalingClient } = require('amazon-kinesis-video-streams-webrtc');

const { region, arn, wss, credentials } = JSON.parse(process.argv[2]);

function connect(role, clientId) {
  const client = new SignalingClient({
    channelARN: arn,
    channelEndpoint: wss[role],
    clientId,
    role: Role[role],
    region,
    credentials,
  });
  client.on('error', (error) => {
    console.log(JSON.stringify({ error: String(error.message || error) }));
    process.exit(1);
  });
  return new Promise((resolve) => {
    client.on('open', () => resolve(client));
    client.open();
  });
}

const once = (client, event) =>
  new Promise((resolve) => client.on(event, (...args) => resolve(args)));

(async () => {
  const master = await connect('MASTER');
  const viewer = await connect('VIEWER', 'js-viewer');
  const seen = {};

  master.on('sdpOffer', (offer, clientId) => {
    seen.offer = { ...offer, clientId };
    master.sendSdpAnswer({ type: 'answer', sdp: 'v=0 answer' }, clientId, 'answer-1');
    master.sendIceCandidate(
      { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 },
      clientId,
    );
  });
  const answered = once(viewer, 'sdpAnswer');
  const candidate = once(viewer, 'iceCandidate');
  const status = once(viewer, 'statusResponse');
  viewer.sendSdpOffer({ type: 'offer', sdp: 'v=0 offer' });
  seen.answer = (await answered)[0];
  seen.candidate = (await candidate)[0].candidate;

  viewer.sendSdpOffer({ type: 'offer', sdp: 'x'.repeat(10000) }, undefined, 'too-big');
  seen.status = (await status)[0];

  console.log(JSON.stringify(seen));
  viewer.close();
  master.close();
})();
