// Reads cases as JSON from standard input, writes the URLs that AWS's own signer makes.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const { SigV4RequestSigner } = require("amazon-kinesis-video-streams-webrtc");

const urls = [];
for (const item of JSON.parse(await text(process.stdin))) {
  const signer = new SigV4RequestSigner(item.region, item.credentials);
  urls.push(
    await signer.getSignedURL(item.endpoint, item.query, new Date(item.date)),
  );
}
process.stdout.write(JSON.stringify(urls));
