/** What ids look like. By themselves: whoever only knows an id needs none of the shapes of the language in its bundle. */
export const WORKFLOW_ID_PATTERN = '^[a-z0-9][a-z0-9_-]{0,62}$';
export const VERSION_PATTERN = '^[0-9]{1,9}\\.[0-9]{1,9}\\.[0-9]{1,9}$';
