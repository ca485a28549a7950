import type {
  AuthTestArguments,
  ChatPostMessageArguments,
  ConversationsHistoryArguments,
  ConversationsListArguments,
  ConversationsRepliesArguments,
  FilesCompleteUploadExternalArguments,
  FilesGetUploadURLExternalArguments,
  FilesInfoArguments,
  FilesListArguments,
  ReactionsAddArguments,
  SearchMessagesArguments,
  UsersInfoArguments,
  UsersListArguments,
  UsersLookupByEmailArguments,
} from '@slack/web-api';

/**
 * The methods of the Web API that the tools use, and what each takes. Only the types are those of Slack's client: it
 * queues and repeats by itself, and `fetch`, on which it stands, costs an instance 20 MB of memory.
 */
export interface Methods {
  'auth.test': AuthTestArguments;
  'chat.postMessage': ChatPostMessageArguments;
  'conversations.history': ConversationsHistoryArguments;
  'conversations.list': ConversationsListArguments;
  'conversations.replies': ConversationsRepliesArguments;
  'files.completeUploadExternal': FilesCompleteUploadExternalArguments;
  'files.getUploadURLExternal': FilesGetUploadURLExternalArguments;
  'files.info': FilesInfoArguments;
  'files.list': FilesListArguments;
  'reactions.add': ReactionsAddArguments;
  'search.messages': SearchMessagesArguments;
  'users.info': UsersInfoArguments;
  'users.list': UsersListArguments;
  'users.lookupByEmail': UsersLookupByEmailArguments;
}
