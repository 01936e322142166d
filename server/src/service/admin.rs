//! `StoreService`: what stores there are, and their administration.

use kvgate_core::Stability;
use kvgate_proto::v1::{
    self, CullRequest, CullResponse, DeleteCollectionRequest, DeleteCollectionResponse,
    DestroyStoreRequest, DestroyStoreResponse, ErrorReason, GetStoreRequest, GetStoreResponse,
    ListStoresRequest, ListStoresResponse,
};
use tonic::{Request, Response, Status};

use super::Service;
use super::bulk::count;
use super::status::Fault;
use crate::access::Wish;
use crate::config::Operation;
use crate::topology::ServedStore;

impl Service {
    fn describe(&self, served: &ServedStore) -> v1::Store {
        let has = served.store.capabilities();
        let limits = served.store.limits();
        let bytes_max = |limit: Option<usize>| limit.map_or(0, count);
        v1::Store {
            name: served.name.clone(),
            r#type: served.store_type.word.to_owned(),
            stability: stability(served.store_type.stability) as i32,
            capabilities: Some(v1::Capabilities {
                list_keys: has.list_keys,
                list_collections: has.list_collections,
                delete_collection: has.delete_collection,
                destroy: has.destroy,
                cull: has.cull,
                exact_values: has.exact_values,
                persistent: has.persistent,
                shared: has.shared,
                retains: has.retains,
                evicts: has.evicts,
            }),
            limits: Some(v1::Limits {
                key_bytes_max: bytes_max(limits.key_bytes_max),
                collection_bytes_max: bytes_max(limits.collection_bytes_max),
                value_bytes_max: bytes_max(limits.value_bytes_max),
            }),
            description: served.store.to_string(),
            is_default: self.topology.is_default(served),
        }
    }
}

fn stability(of: Stability) -> v1::Stability {
    match of {
        Stability::Stable => v1::Stability::Stable,
        Stability::Unstable => v1::Stability::Unstable,
        Stability::NotApplicable => v1::Stability::NotApplicable,
    }
}

/// The calls of `StoreService`; each is small enough to stand in the list.
#[tonic::async_trait]
impl v1::store_service_server::StoreService for Service {
    async fn list_stores(
        &self,
        request: Request<ListStoresRequest>,
    ) -> Result<Response<ListStoresResponse>, Status> {
        let caller = self.caller(&request)?;
        let stores = self.topology.stores();
        let seen = stores.filter(|served| caller.may(&served.name, Wish::See));
        let stores = seen.map(|served| self.describe(served)).collect();
        Ok(Response::new(ListStoresResponse { stores }))
    }

    async fn get_store(
        &self,
        request: Request<GetStoreRequest>,
    ) -> Result<Response<GetStoreResponse>, Status> {
        let caller = self.caller(&request)?;
        let store = self.describe(self.store(&caller, &request.get_ref().store, Wish::See)?);
        Ok(Response::new(GetStoreResponse { store: Some(store) }))
    }

    async fn cull(&self, request: Request<CullRequest>) -> Result<Response<CullResponse>, Status> {
        let caller = self.caller(&request)?;
        let wish = Wish::Everywhere(Operation::Admin);
        let served = self.store(&caller, &request.get_ref().store, wish)?;
        let culled = served.store.cull().await.map_err(|e| served.fault(e))?;
        let culled_count = i64::try_from(culled).unwrap_or(i64::MAX);
        Ok(Response::new(CullResponse { culled_count }))
    }

    async fn delete_collection(
        &self,
        request: Request<DeleteCollectionRequest>,
    ) -> Result<Response<DeleteCollectionResponse>, Status> {
        let caller = self.caller(&request)?;
        let request = request.into_inner();
        if request.collection.is_empty() {
            let message = "collection must be named: deleting has no default";
            let reason = ErrorReason::InvalidCollection;
            return Err(Fault::invalid(reason, "collection", message).into());
        }
        let target = self.target(&caller, Operation::Admin, &request.store, &request.collection)?;
        let deleted = target.served.store.delete_collection(target.collection).await;
        let deleted = deleted.map_err(|e| target.served.fault(e))?;
        Ok(Response::new(DeleteCollectionResponse { deleted }))
    }

    async fn destroy_store(
        &self,
        request: Request<DestroyStoreRequest>,
    ) -> Result<Response<DestroyStoreResponse>, Status> {
        let caller = self.caller(&request)?;
        let name = &request.get_ref().store;
        if name.is_empty() {
            let message = "store must be named: destroying has no default";
            return Err(Fault::invalid(ErrorReason::MalformedRequest, "store", message).into());
        }
        let served = self.store(&caller, name, Wish::Everywhere(Operation::Admin))?;
        served.store.destroy().await.map_err(|e| served.fault(e))?;
        Ok(Response::new(DestroyStoreResponse {}))
    }
}
