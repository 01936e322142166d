//! Listing, a page at a time or all of it.

use kvgate_proto::v1::{
    ListCollectionsRequest, ListCollectionsResponse, ListKeysRequest, ListKeysResponse,
};

use super::{Answer, Client, Collection, answer, describe};

impl Collection {
    /// Lists one page of keys.
    pub async fn list_keys(
        &self,
        prefix: &str,
        page_size: i32,
        page_token: &str,
    ) -> Answer<ListKeysResponse> {
        let request = ListKeysRequest {
            store: self.store.clone(),
            collection: self.collection.clone(),
            prefix: prefix.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let call = self.describe("ListKeys", &(prefix, page_size, page_token));
        answer(&call, self.client.key_value().list_keys(request).await)
    }

    /// Lists all keys, in pages of `page_size`, in the order of the answers.
    pub async fn keys(&self, prefix: &str, page_size: i32) -> Answer<Vec<String>> {
        let mut keys = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.list_keys(prefix, page_size, &token).await?;
            keys.extend(page.keys);
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(keys);
            }
        }
    }

    /// Lists all keys, sorted.
    pub async fn sorted_keys(&self, prefix: &str) -> Answer<Vec<String>> {
        let mut keys = self.keys(prefix, 0).await?;
        keys.sort_unstable();
        Ok(keys)
    }
}

impl Client {
    /// Lists one page of a store's collections.
    pub async fn list_collections(
        &self,
        store: &str,
        prefix: &str,
        page_size: i32,
        page_token: &str,
    ) -> Answer<ListCollectionsResponse> {
        let request = ListCollectionsRequest {
            store: store.to_owned(),
            prefix: prefix.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let names = (prefix, page_size, page_token);
        let call = describe("ListCollections", store, None, &names);
        answer(&call, self.key_value().list_collections(request).await)
    }

    /// Lists all collections of a store, in pages of `page_size`, in the order
    /// of the answers.
    pub async fn collections(
        &self,
        store: &str,
        prefix: &str,
        page_size: i32,
    ) -> Answer<Vec<String>> {
        let mut collections = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.list_collections(store, prefix, page_size, &token).await?;
            collections.extend(page.collections);
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(collections);
            }
        }
    }
}
