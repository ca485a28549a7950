import { Failure, type Call } from '@minimcp/runtime';
import { createAppAuth } from '@octokit/auth-app';
import type { Octokit } from '@octokit/rest';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { connect } from './octokit.ts';

const Installations = z.array(z.object({ id: z.int(), account: z.object({ login: z.string() }).nullable() }));

const clients = new Map<number, Octokit>();

/**
 * A client that speaks as the installation of the app that serves `owner`. Its token is renewed when it runs out.
 * @throws Failure when no installation can be chosen, and the errors of the client
 */
export async function installationClient(call: Call<Credentials>, owner: string | undefined): Promise<Octokit> {
  const installationId = await chooseInstallation(call, owner);
  let client = clients.get(installationId);
  if (client === undefined) {
    client = connect(call, { authStrategy: createAppAuth, auth: { ...app(call), installationId } });
    clients.set(installationId, client);
  }
  const { token } = (await client.auth({ type: 'installation' })) as { token: string };
  call.secret(token);
  return client;
}

/** A client that speaks as the app itself, which may ask where it is installed and little else. */
export function appClient(call: Call<Credentials>): Octokit {
  return connect(call, { authStrategy: createAppAuth, auth: app(call) });
}

/**
 * The installation to speak as: the one in CONFIG (`installation_id`), or the owner's, or the only one there is.
 * @throws Failure when that leaves a choice, and the errors of the client
 */
async function chooseInstallation(call: Call<Credentials>, owner: string | undefined): Promise<number> {
  const fixed = call.config['installation_id'];
  if (typeof fixed === 'number') return fixed;
  const { data } = await appClient(call).rest.apps.listInstallations({ per_page: 100, request: { signal: call.signal } });
  const installations = Installations.safeParse(data);
  if (!installations.success) throw new Failure('malformed', 'GitHub answered something else than installations');
  const owners = installations.data.filter(({ account }) => account?.login.toLowerCase() === owner?.toLowerCase());
  const [chosen, another] = owners.length > 0 ? owners : installations.data;
  if (chosen === undefined) throw new Failure('forbidden', 'The GitHub App is not installed anywhere');
  if (another === undefined) return chosen.id;
  const accounts = installations.data.map(({ id, account }) => `${account?.login ?? 'unknown'} (${id})`).join(', ');
  throw new Failure('invalid', `The GitHub App has several installations: ${accounts}. Set installation_id in CONFIG`);
}

function app({ credentials }: Call<Credentials>) {
  return { appId: String(credentials.app_id), privateKey: credentials.private_key! };
}
