// A webhook's receiver by Node's own `http`, `https` or `http2`, which verifies each message by `standardwebhooks` of npm with
// each of the secrets it is given. Prints one JSON line for each request. Its one argument is JSON: `speaks` (http, https or
// h2), `secrets`, and for TLS `cert`, `key` and, when it asks for client certificates, `clientCa`.
import fs from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/`);
const { Webhook } = require("standardwebhooks");

const given = JSON.parse(process.argv[2]);
const read = (path) => path && fs.readFileSync(path);
const tls = { cert: read(given.cert), key: read(given.key), ca: read(given.clientCa), requestCert: !!given.clientCa, rejectUnauthorized: true };
const say = (thing) => process.stdout.write(JSON.stringify(thing) + "\n");

function verifies(secret, body, headers) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function serve(request, response) {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString();
    const verified = given.secrets.map((secret) => verifies(secret, body, request.headers));
    const client = request.socket.getPeerCertificate?.()?.subject?.CN;
    say({ http: request.httpVersion, verified, client, signature: request.headers["webhook-signature"], id: request.headers["webhook-id"] });
    response.writeHead(200, { "content-type": "text/plain" });
    response.end("heard");
  });
}

const servers = {
  http: () => http.createServer(serve),
  https: () => https.createServer(tls, serve),
  h2: () => http2.createSecureServer(tls, serve),
};
const server = servers[given.speaks]();
server.on("tlsClientError", (error) => say({ refused: error.code }));
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
