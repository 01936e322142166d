/** Gives all names of a listing, fetching a page when the one before is used up. */
export async function* pages(
  fetchPage: (pageToken: string) => Promise<{ names: string[]; nextPageToken: string }>,
): AsyncGenerator<string, void, undefined> {
  let pageToken = "";
  do {
    const { names, nextPageToken } = await fetchPage(pageToken);
    yield* names;
    pageToken = nextPageToken;
  } while (pageToken !== "");
}
