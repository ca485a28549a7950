import type { GetPromptResult, InputRequiredResult, PromptArgument, ServerContext } from '@modelcontextprotocol/server';
import { RED_PIXEL } from './media.ts';

export interface Prompt {
  name: string;
  description: string;
  arguments?: PromptArgument[];
  get(args: Record<string, string>, context: ServerContext): GetPromptResult | InputRequiredResult;
}

type Content = GetPromptResult['messages'][number]['content'];

/** A prompt of messages that the user says. */
export function said(...contents: Content[]): GetPromptResult {
  return { messages: contents.map((content) => ({ role: 'user', content })) };
}

export const prompts: Prompt[] = [
  {
    name: 'test_simple_prompt',
    description: 'A prompt without arguments',
    get: () => said({ type: 'text', text: 'This is a simple prompt for testing.' }),
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'A prompt that quotes its arguments',
    arguments: [
      { name: 'arg1', description: 'First test argument', required: true },
      { name: 'arg2', description: 'Second test argument', required: true },
    ],
    get: ({ arg1, arg2 }) => said({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` }),
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'A prompt with a resource in it',
    arguments: [{ name: 'resourceUri', description: 'Address of the resource to embed', required: true }],
    get: ({ resourceUri }) =>
      said(
        {
          type: 'resource',
          resource: {
            uri: resourceUri ?? '',
            mimeType: 'text/plain',
            text: 'Embedded resource content for testing.',
          },
        },
        { type: 'text', text: 'Please process the embedded resource above.' },
      ),
  },
  {
    name: 'test_prompt_with_image',
    description: 'A prompt with a picture in it',
    get: () =>
      said(
        { type: 'image', data: RED_PIXEL, mimeType: 'image/png' },
        { type: 'text', text: 'Please analyze the image above.' },
      ),
  },
];
