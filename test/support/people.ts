/** Who and where in the two companies of the simulator's default seeds. */
export const acme = {
  workspaceId: 'T0ACME00001',
  agent: 'U0ACMEADA01',
  mara: 'U0ACMEMARA1',
  tomas: 'U0ACMETOMA1',
  priya: 'U0ACMEPRIY1',
  general: 'C0ACMEGENER',
  support: 'C0ACMESUPPO',
  directMara: 'D0ACMEMARA1',
} as const;

export const globex = {
  workspaceId: 'T0GLOBEX001',
  agent: 'U0GLOBXMAX1',
  yuki: 'U0GLOBXYUKI',
  general: 'C0GLOBXGENE',
} as const;
