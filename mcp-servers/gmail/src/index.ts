import { serve } from '@minimcp/runtime';
import { getAttachment } from './attachments.ts';
import { checkCredentials } from './client.ts';
import { Credentials } from './credentials.ts';
import { createDraft, deleteDraft, listDrafts, sendDraft, updateDraft } from './drafts.ts';
import { listLabels, modifyLabels } from './labels.ts';
import { listMessages, searchMessages } from './list-messages.ts';
import { readMessage } from './read-message.ts';
import { sendMessage } from './send-message.ts';
import { listThreads, readThread } from './threads.ts';

serve({
  name: 'gmail',
  version: '0.1.0',
  credentials: Credentials,
  vendor: {
    variable: 'GMAIL_API_URL',
    url: 'https://gmail.googleapis.com',
    others: { oauth: { variable: 'GOOGLE_OAUTH_URL', url: 'https://oauth2.googleapis.com' } },
  },
  tools: [
    listMessages,
    searchMessages,
    readMessage,
    getAttachment,
    sendMessage,
    listThreads,
    readThread,
    listLabels,
    modifyLabels,
    listDrafts,
    createDraft,
    updateDraft,
    sendDraft,
    deleteDraft,
  ],
  checkCredentials,
});
