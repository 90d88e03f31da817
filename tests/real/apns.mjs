// A stand-in for Apple's push service that speaks HTTP/2 over TLS by Node's own `http2`, verifies the token by `jose`, holds each
// request to Apple's rules, and answers as its device token says. Apple has no server that could be installed.
//
// Answers are {status, reason, once, goaway, flight, echo}: `echo` repeats what it was shown; `once` is followed by 200; `goaway` ends
// the connection under its request;
// `flight` waits for so many requests, then says which half of them it has taken and that the connection ends, and answers these.
//
// A device token that begins with the hex of a number N gets answer number N of the list given as the third argument. Prints
// one JSON line for each thing that happens.
import fs from "node:fs";
import http2 from "node:http2";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/`);
const jose = require("jose");

const [certificate, key, answersText, publicKeyText] = process.argv.slice(2);
const answers = JSON.parse(answersText);
const publicKey = await jose.importSPKI(fs.readFileSync(publicKeyText, "utf8"), "ES256");
const say = (thing) => process.stdout.write(JSON.stringify(thing) + "\n");
const counts = new Map();
let inFlight = [];

// Answers the first half; the others were not looked at, as GOAWAY says, and are never answered.
function takeOff() {
  inFlight.sort((one, other) => one.stream.id - other.stream.id);
  const taken = inFlight.slice(0, inFlight.length / 2);
  const last = taken[taken.length - 1].stream;
  last.session.goaway(http2.constants.NGHTTP2_NO_ERROR, last.id);
  for (const request of taken) respond(request, { status: 200 });
  inFlight = null;
}

function respond({ stream, headers }, answer) {
  say({ answered: headers[":path"].split("/").pop() });
  stream.respond({ ":status": answer.status, "apns-id": headers["apns-id"] });
  const token = headers.authorization.split(" ")[1];
  const said = answer.echo && [headers.authorization, token, headers[":path"], Buffer.from(token).toString("base64")];
  stream.end(answer.reason ? JSON.stringify({ reason: answer.reason, timestamp: 1700000000000, said: said || undefined }) : "");
}

async function problem(headers, body) {
  const token = (headers.authorization || "").replace(/^bearer /, "");
  const { payload, protectedHeader } = await jose.jwtVerify(token, publicKey, { algorithms: ["ES256"], maxTokenAge: "1h" });
  if (protectedHeader.kid !== "ABC123DEFG" || payload.iss !== "DEF123GHIJ") return "InvalidProviderToken";
  if (headers[":method"] !== "POST") return "MethodNotAllowed";
  if (!/^\/3\/device\/[0-9a-f]{64,}$/.test(headers[":path"])) return "BadPath";
  if (headers["apns-topic"] !== "com.example.app") return "BadTopic";
  if (headers["apns-push-type"] !== "alert") return "InvalidPushType";
  if (!["5", "10"].includes(headers["apns-priority"])) return "BadPriority";
  if (!/^[0-9]+$/.test(headers["apns-expiration"])) return "BadExpirationDate";
  if (Buffer.byteLength(headers["apns-collapse-id"]) > 64) return "BadCollapseId";
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(headers["apns-id"])) return "BadMessageId";
  if (body.length > 4096) return "PayloadTooLarge";
  const document = JSON.parse(body);
  if (!document.aps?.alert?.title || !document.aps.alert.body) return "PayloadEmpty";
  return null;
}

const server = http2.createSecureServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) });
server.on("session", () => say({ connected: true }));
server.on("stream", (stream, headers) => {
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("error", () => {});
  stream.on("end", async () => {
    const body = Buffer.concat(chunks).toString();
    const wrong = await problem(headers, body).catch((error) => String(error));
    const device = headers[":path"].split("/").pop();
    const seen = (counts.get(device) || 0) + 1;
    counts.set(device, seen);
    const answer = wrong ? { status: 400, reason: wrong } : answers[parseInt(device.slice(0, 4), 16)];
    say({ wrong, device, seen, headers, document: wrong ? null : JSON.parse(body), token: headers.authorization });
    if (answer.goaway && seen === 1) {
      // In the middle of the flight: this stream gets no answer.
      stream.session.goaway(http2.constants.NGHTTP2_NO_ERROR, 0);
      stream.session.destroy();
      return;
    }
    // A connection that was ended takes others' streams with it.
    if (stream.destroyed) return;
    if (answer.flight && inFlight) {
      inFlight.push({ stream, headers });
      if (inFlight.length === answer.flight) takeOff();
      return;
    }
    respond({ stream, headers }, answer.once && seen > 1 ? { status: 200 } : answer);
  });
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
