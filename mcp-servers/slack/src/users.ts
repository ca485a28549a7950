import { defineTool, Failure, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { continuation, Continued, cursorArguments, nextCursor } from './paging.ts';

const Profile = z.object({
  display_name: z.string().optional(),
  email: z.string().optional().describe('Only with the scope users:read.email'),
  title: z.string().optional(),
  status_text: z.string().optional(),
});

const Member = z.object({
  id: z.string(),
  name: z.string(),
  real_name: z.string().optional(),
  deleted: z.boolean().optional(),
  is_bot: z.boolean().optional(),
  is_admin: z.boolean().optional(),
  tz: z.string().optional(),
  profile: Profile,
});

const User = Member.omit({ profile: true }).extend(Profile.shape);

export const listUsers = defineTool({
  name: 'list_users',
  title: 'List people',
  description: 'Lists the people and bots of the workspace, also those who left (deleted). Follow next_cursor for more.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object(cursorArguments),
  output: z.object({ users: z.array(User), next_cursor: nextCursor }),
  run: async (args, call: Call<Credentials>) => {
    const answer = await ask(call, 'users.list', args, Continued.extend({ members: z.array(Member) }));
    return { users: answer.members.map(flat), next_cursor: continuation(answer) };
  },
});

export const getUser = defineTool({
  name: 'get_user',
  title: 'Look up a person',
  description: 'Says who a user is, by the id that messages carry or by email address (scope users:read.email).',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    user: z.string().min(1).optional().describe('The id of the user'),
    email: z.email().optional(),
  }),
  output: User,
  run: async ({ user, email }, call: Call<Credentials>) => {
    const Found = z.object({ user: Member });
    if (user !== undefined && email === undefined) {
      return flat((await ask(call, 'users.info', { user }, Found)).user);
    }
    if (email !== undefined && user === undefined) {
      return flat((await ask(call, 'users.lookupByEmail', { email }, Found)).user);
    }
    throw new Failure('invalid', 'get_user needs either user or email');
  },
});

function flat({ profile, ...member }: z.infer<typeof Member>): z.infer<typeof User> {
  return { ...member, ...profile };
}
