import type { ColumnType, Generated } from 'kysely';
import type { Route, RouteEntry } from '../core/model.ts';
import type { BusyMode, ConnectionSettings } from '../core/tenant.ts';

/** The tables the stores use, as Kysely sees them; the truth is in `migrations/`. */
export interface Database {
  readonly tenants: TenantsTable;
  readonly agents: AgentsTable;
  readonly connections: ConnectionsTable;
  readonly model_keys: ModelKeysTable;
  readonly routes: RoutesTable;
  readonly deliveries: DeliveriesTable;
  readonly messages: MessagesTable;
  readonly used_install_states: UsedInstallStatesTable;
}

/** `numeric` and `bigint` come as text, which is exact. */
type NullableNumber = ColumnType<string | null, number | null | undefined, number | null>;

export interface TenantsTable {
  id: string;
  slug: string;
  name: string;
  max_concurrent_turns: number | null;
  time_zone: Generated<string>;
  budget_daily_usd: NullableNumber;
  budget_monthly_usd: NullableNumber;
  budget_daily_tokens: NullableNumber;
  budget_monthly_tokens: NullableNumber;
  person_budget_daily_usd: NullableNumber;
  person_budget_monthly_usd: NullableNumber;
  person_budget_daily_tokens: NullableNumber;
  person_budget_monthly_tokens: NullableNumber;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export interface AgentsTable {
  tenant_id: string;
  id: Generated<string>;
  slug: string;
  name: string;
  role: string;
  persona: string;
  instructions: string;
  route: string;
  placeholder: string;
  icon: string | null;
  busy_mode: Generated<BusyMode>;
  tools: string[] | null;
  budget_daily_usd: NullableNumber;
  budget_monthly_usd: NullableNumber;
  budget_daily_tokens: NullableNumber;
  budget_monthly_tokens: NullableNumber;
  max_steps: Generated<number>;
  max_tool_calls: Generated<number>;
  max_turn_seconds: Generated<number>;
  max_turn_usd: NullableNumber;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export interface ConnectionsTable {
  tenant_id: string;
  id: Generated<string>;
  agent_id: string;
  channel: string;
  external_id: string;
  app_id: string;
  agent_user_id: string;
  credentials: Buffer;
  own_signing_secret: boolean;
  settings: ColumnType<ConnectionSettings, string, string>;
  status: 'active' | 'disabled';
  disabled_reason: string | null;
  disabled_at: Date | null;
  /** Null: its credentials were applied. */
  installed_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  /** Null: never. */
  credentials_expire_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export interface UsedInstallStatesTable {
  id: string;
  expires_at: Date;
}

export interface ModelKeysTable {
  tenant_id: string;
  provider: string;
  keys: Buffer;
  updated_at: Generated<Date>;
}

export interface RoutesTable {
  name: string;
  entries: ColumnType<readonly StoredRouteEntry[], string, string>;
  options: ColumnType<RouteOptions, string, string>;
  updated_at: Generated<Date>;
}

/** A route entry at rest: its keys are encrypted (`routeOwner`), base64. */
export interface StoredRouteEntry extends Omit<RouteEntry, 'provider' | 'apiKey' | 'apiKeys'> {
  readonly provider: string;
  readonly encryptedApiKey?: string;
  readonly encryptedApiKeys?: readonly string[];
}

/** What a route says beside its entries. */
export type RouteOptions = Omit<Route, 'name' | 'entries'>;

export interface DeliveriesTable {
  tenant_id: string;
  id: Generated<string>;
  status: 'pending' | 'sending' | 'sent' | 'failed';
  external_id: string | null;
  error_code: string | null;
  sent_at: Date | null;
}

export interface MessagesTable {
  tenant_id: string;
  conversation_id: string;
  id: Generated<string>;
  connection_id: string;
  channel_id: string;
  external_id: string | null;
  direction: 'in' | 'out';
  sender_id: string;
  sender_name: string | null;
  content: string;
  mentions: ColumnType<unknown, string>;
  addressed: boolean;
  turn_id: Generated<string | null>;
  sent_at: Date;
  deleted_at: Generated<Date | null>;
}
