# To be sourced: has cargo link RocksDB as its project publishes it, where
# `tests/backends/install rocksdb` has put it. To compile it takes half an hour; with
# ROCKSDB_COMPILE=1, and where it is not published, it is compiled as in a release.
rocksdb_library=${XDG_CACHE_HOME:-$HOME/.cache}/kvgate-backends/rocksdb
if [ -z "${ROCKSDB_COMPILE:-}" ] && [ -f "$rocksdb_library/librocksdb.so" ]; then
    export ROCKSDB_LIB_DIR=$rocksdb_library
    export LD_LIBRARY_PATH=$rocksdb_library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
unset rocksdb_library
