import { defineTool, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import { compose, outgoing } from './compose.ts';
import type { Credentials } from './credentials.ts';

/** What Gmail says of a message it took. */
export const VendorSent = z.object({ id: z.string(), threadId: z.string(), labelIds: z.array(z.string()).optional() });

export const Sent = z.object({ id: z.string(), thread_id: z.string(), label_ids: z.array(z.string()) });

export const sendMessage = defineTool({
  name: 'send_message',
  title: 'Send a message',
  description: 'Sends a message, or a reply in the thread of another one. Calling it twice sends two.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  input: z.object(outgoing),
  output: Sent,
  run: async (args, call: Call<Credentials>) => {
    const json = await compose(call, args);
    return sentOf(await ask(call, { method: 'POST', path: '/messages/send', json, purpose: 'send' }, VendorSent));
  },
});

export function sentOf({ id, threadId, labelIds = [] }: z.infer<typeof VendorSent>): z.infer<typeof Sent> {
  return { id, thread_id: threadId, label_ids: labelIds };
}
