import type { Call } from '@minimcp/runtime';
import { Octokit } from '@octokit/rest';
import type { Credentials } from './credentials.ts';
import { GITHUB, transport } from './transport.ts';

const API_VERSION = '2022-11-28';

type Identity = Pick<NonNullable<ConstructorParameters<typeof Octokit>[0]>, 'auth' | 'authStrategy'>;

/** A client of the vendor's that speaks as `identity` and logs nothing but at debug level. */
export function connect({ vendorUrl, config, log }: Call<Credentials>, identity: Identity): Octokit {
  const quiet = (message: string) => log.debug(message);
  const client = new Octokit({
    ...identity,
    baseUrl: vendorUrl,
    userAgent: GITHUB.userAgent,
    request: { fetch: transport(config) },
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  client.hook.before('request', (options) => {
    options.headers['x-github-api-version'] = API_VERSION;
  });
  return client;
}
