set -e
mount -t tmpfs none /dev/shm
umount /dev/shm
echo SUCCEEDED: mounted a file system
