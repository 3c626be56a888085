/** What HTTP carries in a header, as Node sees it: a key with anything else in it can never be sent. */
export const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
