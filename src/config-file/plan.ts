import type { Route, TenantModelKeys } from '../core/model.ts';
import type { Agent, Connection, Credentials } from '../core/tenant.ts';
import type { StoredConnection } from '../stores/connections.ts';
import type { BudgetedTenant } from '../stores/tenants.ts';

/** What applying a konstruct.yaml will do, down to the rows. Holds secrets: print `changes`, not the plan. */
export interface Plan {
  readonly routes: RoutesPlan;
  readonly tenants: readonly TenantPlan[];
  /** The same for people, in the order of the file. */
  readonly changes: readonly Change[];
  /** What is as the file says already. */
  readonly unchanged: number;
  /** What the operator should know though it stops nothing, one sentence each. */
  readonly warnings: readonly string[];
}

export interface RoutesPlan {
  readonly put: readonly Route[];
  readonly remove: readonly string[];
}

export type TenantPlan = TenantRemoval | TenantUpsert;

export interface TenantRemoval {
  readonly action: 'remove';
  readonly tenant: BudgetedTenant;
}

export interface TenantUpsert {
  readonly action: 'create' | 'update';
  readonly tenant: BudgetedTenant;
  /** Whether the tenant's own row changes. */
  readonly tenantChanged: boolean;
  readonly agents: {
    readonly create: readonly Agent[];
    readonly update: readonly Agent[];
    readonly remove: readonly Agent[];
  };
  readonly connections: {
    readonly create: readonly (Connection & { readonly credentials: Credentials })[];
    readonly update: readonly (Connection & Pick<StoredConnection, 'disabledReason'>)[];
    readonly replaceCredentials: readonly {
      readonly connection: Connection;
      readonly credentials: Credentials;
    }[];
    readonly remove: readonly Connection[];
  };
  /** The tenant's own model keys, all of them; `null`: they stay. */
  readonly modelKeys: TenantModelKeys | null;
}

/** One line of the diff. */
export interface Change {
  readonly action: 'create' | 'update' | 'remove';
  readonly kind: 'route' | 'tenant' | 'agent' | 'connection' | 'model keys';
  /** Slug of the tenant; `null` for routes, which belong to the installation. */
  readonly tenant: string | null;
  readonly name: string;
  /** What changes; empty unless the action is `update`. */
  readonly fields: readonly FieldChange[];
}

/** Without values where they are secret or too long to show. */
export interface FieldChange {
  readonly field: string;
  readonly from?: string;
  readonly to?: string;
}
