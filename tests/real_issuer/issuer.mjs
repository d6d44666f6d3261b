// A real issuer on loopback: oidc-provider, which the OpenID Foundation has certified.
// usage: node issuer.mjs PORT CLIENT_ID CLIENT_SECRET PAGE_URL; it writes a line once it listens.
import { Provider } from "oidc-provider";

const [port, clientId, clientSecret, page] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [`${page}/auth/callback`],
      post_logout_redirect_uris: [`${page}/`],
    },
  ],
  cookies: { keys: ["a key of tests"] },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
