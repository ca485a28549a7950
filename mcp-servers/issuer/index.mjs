// An OpenID Connect issuer for tests: a certified implementation with keys of its own, made anew at each start.
//
//   node issuer/index.mjs        says where it is in one line, {"issuer": "http://127.0.0.1:PORT"}
//
// Its accounts are its clients: `POST /token` with the client's name as id and `secret` as secret gives an access
// token for the audience `urn:minimcp`, a JWT with the claims of that client. Two more routes are not of the
// standard: `POST /forge {header, claims, secret?}` signs what it is told with the present key, or as an HMAC, and
// `POST /rotate` replaces the key.
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';

const AUDIENCE = 'urn:minimcp';
const CLAIMS = {
  ada: { preferred_username: 'ada', realm_access: { roles: ['platform', 'people'] } },
  una: { preferred_username: 'una', realm_access: { roles: ['people'] } },
  nobody: { preferred_username: 'nobody', realm_access: { roles: ['guests'] } },
};

let issuer;
let key;
let provider;

async function rotate(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  key = { ...(await exportJWK(privateKey)), alg, kid: randomUUID(), use: 'sig' };
  provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: Object.keys(CLAIMS).map((name) => ({
      client_id: name,
      client_secret: 'secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: alg,
    })),
    extraTokenClaims: (_context, token) => CLAIMS[token.clientId],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: () => ({
          audience: AUDIENCE,
          scope: '',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg } },
        }),
      },
    },
  });
}

async function forge({ header, claims, secret }) {
  const { n, e, x, y, kty, crv } = key;
  const whole = { alg: key.alg, kid: key.kid, ...header };
  const text = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  if (whole.alg === 'none') return `${text(whole)}.${text(claims)}.`;
  if (whole.alg.startsWith('HS')) {
    // The classic mistake of verifiers: the public key, which everybody knows, taken for a shared secret.
    const shared = secret ?? JSON.stringify({ kty, crv, n, e, x, y });
    const signed = `${text(whole)}.${text(claims)}`;
    return `${signed}.${createHmac('sha256', shared).update(signed).digest('base64url')}`;
  }
  return new SignJWT(claims).setProtectedHeader(whole).sign(await importJWK(key, key.alg));
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
}

const server = createServer(async (request, response) => {
  if (request.method === 'POST' && request.url === '/forge') {
    return response.end(await forge(await body(request)));
  }
  if (request.method === 'POST' && request.url === '/rotate') {
    await rotate((await body(request)).alg ?? 'RS256');
    return response.end();
  }
  return provider.callback()(request, response);
});
server.listen(0, '127.0.0.1', async () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  await rotate('RS256');
  console.log(JSON.stringify({ issuer }));
});
