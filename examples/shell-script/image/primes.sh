# primes.sh LIMIT: count the primes up to a limit.
set -eu
limit=${1:?the limit is missing}
echo "${TASK_NAME}: $(seq 2 "$limit" | factor | awk 'NF == 2' | wc -l) primes up to $limit"
