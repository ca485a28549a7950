import { setTimeout as sleep } from 'node:timers/promises';
import {
  inputRequired,
  type CallToolResult,
  type ContentBlock,
  type InputRequiredResult,
  type Server,
  type ServerContext,
  type ServerNotifier,
  type Tool as ListedTool,
} from '@modelcontextprotocol/server';
import { RED_PIXEL, SILENCE } from './media.ts';

/** What the tools tell the clients that listen for changes. */
export type Notify = Pick<ServerNotifier, 'toolsChanged' | 'promptsChanged'>;

export interface Tool {
  description: string;
  /** No arguments if left out. */
  inputSchema?: ListedTool['inputSchema'];
  run(call: ToolCall): Result | Promise<Result>;
}

export interface ToolCall {
  args: Record<string, unknown>;
  context: ServerContext;
  server: Server;
  notifier: Notify;
}

export type Result = CallToolResult | InputRequiredResult;

/** The suite wants messages that arrive one by one, this many milliseconds apart. */
const PAUSE_MS = 50;

export function content(...blocks: ContentBlock[]): CallToolResult {
  return { content: blocks };
}

export function text(words: string): CallToolResult {
  return content({ type: 'text', text: words });
}

export const tools: Record<string, Tool> = {
  test_simple_text: {
    description: 'Returns a text',
    run: () => text('This is a simple text response for testing.'),
  },
  test_image_content: {
    description: 'Returns a picture',
    run: () => content({ type: 'image', data: RED_PIXEL, mimeType: 'image/png' }),
  },
  test_audio_content: {
    description: 'Returns a sound',
    run: () => content({ type: 'audio', data: SILENCE, mimeType: 'audio/wav' }),
  },
  test_embedded_resource: {
    description: 'Returns a resource',
    run: () =>
      content({
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      }),
  },
  test_multiple_content_types: {
    description: 'Returns a text, a picture and a resource',
    run: () =>
      content(
        { type: 'text', text: 'Multiple content types test:' },
        { type: 'image', data: RED_PIXEL, mimeType: 'image/png' },
        {
          type: 'resource',
          resource: {
            uri: 'test://mixed-content-resource',
            mimeType: 'application/json',
            text: '{"test":"data","value":123}',
          },
        },
      ),
  },
  test_error_handling: {
    description: 'Always fails',
    run: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
  },
  test_tool_with_logging: {
    description: 'Logs while it runs',
    run: async ({ context }) => {
      await context.mcpReq.log('info', 'Tool execution started');
      await sleep(PAUSE_MS);
      await context.mcpReq.log('info', 'Tool processing data');
      await sleep(PAUSE_MS);
      await context.mcpReq.log('info', 'Tool execution completed');
      return text('Logged three times');
    },
  },
  test_logging_tool: {
    description: 'Logs once, for clients that asked for it',
    run: async ({ context }) => {
      await context.mcpReq.log('info', 'Only where it is wanted');
      return text('Logged');
    },
  },
  test_tool_with_progress: {
    description: 'Reports its progress',
    run: async ({ context }) => {
      const { _meta, notify } = context.mcpReq;
      const progressToken = _meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progress > 0) await sleep(PAUSE_MS);
        if (progressToken === undefined) continue;
        await notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      }
      return text(`Done with progress token ${String(progressToken)}`);
    },
  },
  test_trigger_tool_change: {
    description: 'Says that the tools have changed',
    run: ({ notifier }) => (notifier.toolsChanged(), text('Said so')),
  },
  test_trigger_prompt_change: {
    description: 'Says that the prompts have changed',
    run: ({ notifier }) => (notifier.promptsChanged(), text('Said so')),
  },
  test_missing_capability: {
    description: 'Needs a client that samples',
    run: () =>
      inputRequired({
        inputRequests: {
          sample: inputRequired.createMessage({
            messages: [{ role: 'user', content: { type: 'text', text: 'Anything' } }],
            maxTokens: 10,
          }),
        },
      }),
  },
  json_schema_2020_12_tool: {
    description: 'Tool with JSON Schema 2020-12 features',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: {
          $anchor: 'addressDef',
          type: 'object',
          properties: { street: { type: 'string' }, city: { type: 'string' } },
        },
      },
      properties: {
        name: { type: 'string' },
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: { type: 'string' },
        email: { type: 'string' },
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
    run: ({ args }) => text(JSON.stringify(args)),
  },
};
