// The JSON of the API, as far as the dashboard reads it. `tests/contract.test.mjs` holds it against the OpenAPI
// document of a running daemon.

export type Status =
  | 'pending'
  | 'starting'
  | 'running'
  | 'unhealthy'
  | 'restarting'
  | 'stopping'
  | 'hibernated'
  | 'disconnected'
  | 'stopped'
  | 'expired'
  | 'failed';

export type Role = 'admin' | 'operator' | 'user';

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Health {
  healthy: boolean;
  checked_at: string;
  latency_ms: number;
  problem: string | null;
}

export interface Stats {
  cpu_percent: number | null;
  memory_bytes: number | null;
  processes: number | null;
  health: Health | null;
}

export interface Limits {
  declared: DeclaredLimits;
  enforced_by: string[];
}

export interface DeclaredLimits {
  max_memory_mb: number | null;
  max_cpu_percent: number | null;
}

export interface Restarts {
  total: number;
  in_window: number;
  next_at: string | null;
}

export interface LastExit {
  code: number | null;
  signal: number | null;
  cause: string;
  at: string;
  stderr_tail: string;
}

export interface Instance {
  id: string;
  name: string | null;
  user_id: string;
  mcp_type: string;
  status: Status;
  status_reason: string | null;
  generation: number;
  process_id: number | null;
  assigned_port: number | null;
  access_url: string;
  direct_url: string | null;
  created_at: string;
  started_at: string | null;
  expires_at: string;
  stopped_at: string | null;
  restored_at: string | null;
  last_checked_at: string | null;
  last_accessed_at: string | null;
  restarts: Restarts;
  stats: Stats;
  limits: Limits;
  last_exit: LastExit | null;
  credential_id: string | null;
  credentials_exposure: 'sealed' | 'environment' | null;
  config: Record<string, unknown>;
  debug: boolean;
}

export interface CreatedInstance extends Instance {
  access_token: string;
}

export interface AccessToken {
  access_token: string;
  previous_valid_until: string | null;
}

/** What to paste into an MCP client. It holds no token: the daemon does not know it. */
export interface ClientConfig {
  file: string;
  snippet: string;
  command: string | null;
  token_variable: string | null;
  instructions: string;
}

export interface Sample {
  at: string;
  cpu_percent: number;
  memory_bytes: number;
  processes: number;
  health_latency_ms: number | null;
}

export interface InstanceStats {
  instance_id: string;
  samples: Sample[];
  requests: number;
  in_flight: number;
}

export interface Transition {
  id: number;
  instance_id: string;
  user_id: string;
  seq: number;
  generation: number;
  from: Status | null;
  to: Status;
  cause: string | null;
  reason: string;
  at: string;
}

export interface Check {
  name: string;
  ok: boolean | null;
  detail: string;
}

export interface Diagnosis {
  instance_id: string;
  status: Status;
  healthy: boolean;
  summary: string;
  checks: Check[];
  next_steps: string[];
}

export type FieldType = 'string' | 'number' | 'boolean';

export interface CredentialFields {
  required: string[];
  optional: string[];
  field_types: Record<string, FieldType>;
  primary: string | null;
}

/** A program in a package registry. */
export interface Package {
  registry: 'npm' | 'pypi';
  name: string;
  version: string;
}

export interface Installation {
  status: 'absent' | 'installing' | 'installed' | 'failed';
  detail: string | null;
}

export type ConfigKind = 'string' | 'number' | 'boolean' | 'file' | 'directory';

export interface ConfigField {
  kind: ConfigKind;
  description: string;
  required: boolean;
  choices: string[];
}

export interface McpType {
  name: string;
  display_name: string;
  description: string;
  lane: 'http' | 'stdio';
  server_script: string | null;
  command: string | null;
  package: Package | null;
  installation: Installation | null;
  args: string[];
  config_template: Record<string, unknown>;
  config_locked: string[];
  config_fields: Record<string, ConfigField>;
  required_auth: string;
  required_scopes: string[];
  capabilities: string[];
  credential_fields: CredentialFields;
  resource_limits: DeclaredLimits;
  health_check: { kind: string; endpoint: string | null; interval_seconds: number };
  warm: number;
  stateful: boolean;
  builtin: boolean;
}

export type OnExpiry = 'warn' | 'block_new' | 'stop';

export interface Credential {
  id: string;
  user_id: string;
  mcp_type: string;
  name: string;
  hint: string | null;
  field_names: string[];
  unreadable: string | null;
  expires_at: string | null;
  on_expiry: OnExpiry;
  created_at: string;
  updated_at: string;
}

export interface Actor {
  path: string;
  kind: string;
  state: Status | null;
  generation: number;
  mailbox_depth: number;
  messages_handled: number;
  last_message_age_ms: number | null;
  restarts_in_window: number | null;
  started_at: string;
  uptime_seconds: number;
}

export interface UserLimits {
  max_instances: number | null;
  max_running: number | null;
  max_credentials: number | null;
}

export interface Usage {
  instances: number;
  running: number;
  credentials: number;
}

export interface Me {
  id: string;
  name: string;
  role: Role;
  limits: UserLimits;
  usage: Usage;
}

export interface User {
  id: string;
  name: string;
  role: Role;
  limits: UserLimits;
  effective_limits: UserLimits;
  created_at: string;
}

export interface ApiToken {
  id: string;
  user_id: string;
  name: string;
  hint: string;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface CreatedToken extends ApiToken {
  token: string;
}

export interface Readiness {
  ready: boolean;
  parts: { name: string; ready: boolean; detail: string | null }[];
}

/** What an import would make, as far as it is shown before it is approved. */
export interface TypeDefinition {
  name: string;
  display_name: string;
  description: string;
  lane: 'http' | 'stdio';
  package: Package | null;
  config_template: Record<string, unknown>;
  config_fields: Record<string, ConfigField>;
  credential_fields: CredentialFields;
  source: Source | null;
}

export interface Source {
  name: string;
  version: string;
  registry: string | null;
}

export interface Danger {
  kind: string;
  found: string;
  at: string;
}

export interface ImportedType {
  stored: boolean;
  definition: TypeDefinition;
  command: string[];
  environment: Record<string, string>;
  dangers: Danger[];
  warnings: string[];
  digest: string;
}

export type ActorKind = 'user' | 'instance_token' | 'nobody' | 'daemon';

export interface AuditActor {
  kind: ActorKind;
  user_id: string | null;
  address: string | null;
}

export type AuditResult = 'begun' | 'done' | 'refused' | 'failed';

export interface AuditRecord {
  seq: number;
  at: string;
  request_id: string | null;
  actor: AuditActor;
  action: string;
  object: { kind: string; id: string | null } | null;
  result: AuditResult;
  detail?: Record<string, unknown>;
}

/** Something that is wrong with the trail. */
export interface Finding {
  kind: string;
  seq: number;
  to_seq: number;
  file: string;
  line: number | null;
  detail: string;
}

export interface Chain {
  verified: boolean;
  from_seq: number;
  to_seq: number;
  records: number;
  problems: Finding[];
  more_problems: number;
}

export interface AuditPage {
  items: AuditRecord[];
  next_cursor: string | null;
  chain: Chain;
  writable: boolean;
}
