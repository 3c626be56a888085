import type { ColumnType, Generated } from 'kysely';
import type { ConnectionSettings } from '../core/tenant.ts';

/** The tables the stores use, as Kysely sees them; the truth is in `migrations/`. */
export interface Database {
  readonly tenants: TenantsTable;
  readonly agents: AgentsTable;
  readonly connections: ConnectionsTable;
  readonly routes: RoutesTable;
  readonly deliveries: DeliveriesTable;
  readonly messages: MessagesTable;
}

export interface TenantsTable {
  id: string;
  slug: string;
  name: string;
  budget_daily_usd: ColumnType<string | null, number | null, number | null>;
  budget_monthly_usd: ColumnType<string | null, number | null, number | null>;
  max_concurrent_turns: number | null;
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
  tools: string[] | null;
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
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export interface RoutesTable {
  name: string;
  entries: ColumnType<readonly StoredRouteEntry[], string, string>;
  updated_at: Generated<Date>;
}

/** A route entry at rest: its key is encrypted (`routeOwner`), base64. */
export interface StoredRouteEntry {
  readonly provider: string;
  readonly model: string;
  readonly baseUrl?: string;
  readonly encryptedApiKey?: string;
}

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
