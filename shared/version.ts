/** The version of baton, one for all its programs; a test holds it equal to package.json. */
export const version = '0.1.0';
