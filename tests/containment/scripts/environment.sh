if env | grep -q '^SCENE_DATABASE_URL='; then echo SUCCEEDED: has the environment of the worker; exit; fi
echo nothing of the worker in the environment >&2
exit 1
