import { ProtocolError, ProtocolErrorCode, type Server, type ServerNotifier } from '@modelcontextprotocol/server';
import { elicitationTools } from './elicitation.ts';
import { inputRequiredTools, askForContext } from './input-required.ts';
import { prompts } from './prompts.ts';
import { readResource, resources, templates } from './resources.ts';
import { tools, type Notify, type Tool } from './tools.ts';

const allTools: Record<string, Tool> = { ...tools, ...elicitationTools, ...inputRequiredTools };

/** Gives a server everything the suite asks for, in both eras. */
export function extend(server: Server, notifier: Notify & Partial<ServerNotifier>): void {
  server.registerCapabilities({
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true },
    completions: {},
    logging: {},
  });

  server.setRequestHandler('tools/list', () => ({
    tools: Object.entries(allTools).map(([name, { description, inputSchema }]) => ({
      name,
      description,
      inputSchema: inputSchema ?? { type: 'object' as const },
    })),
  }));
  server.setRequestHandler('tools/call', async (request, context) => {
    const { name, arguments: args = {} } = request.params;
    const tool = allTools[name];
    if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${name} not found`);
    return tool.run({ args, context, server, notifier });
  });

  server.setRequestHandler('resources/list', () => ({ resources }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: templates }));
  server.setRequestHandler('resources/read', (request) => readResource(request.params.uri));
  const subscribed = new Set<string>();
  server.setRequestHandler('resources/subscribe', ({ params }) => (subscribed.add(params.uri), {}));
  server.setRequestHandler('resources/unsubscribe', ({ params }) => (subscribed.delete(params.uri), {}));

  server.setRequestHandler('prompts/list', () => ({
    prompts: [...prompts, askForContext].map(({ name, description, arguments: args }) => ({ name, description, arguments: args })),
  }));
  server.setRequestHandler('prompts/get', (request, context) => {
    const { name, arguments: args = {} } = request.params;
    const prompt = [...prompts, askForContext].find((one) => one.name === name);
    if (prompt === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Prompt ${name} not found`);
    return prompt.get(args, context);
  });

  server.setRequestHandler('completion/complete', ({ params }) => {
    const values = ['paris', 'park', 'party'].filter((word) => word.startsWith(params.argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });
}
