/* The I/O manager: all input and output goes through two callbacks. */
#include "shim.h"

static _Thread_local struct comeback_ext *opening;

static struct comeback_ext *owner(io_channel channel)
{
	return channel->private_data;
}

static uint64_t length(io_channel channel, int count)
{
	return count < 0 ? (uint64_t)-(int64_t)count : (uint64_t)count * (uint64_t)channel->block_size;
}

static errcode_t cb_io_open(const char *name, int flags, io_channel *out);

static errcode_t cb_io_close(io_channel channel)
{
	if (--channel->refcount > 0)
		return 0;
	free(channel->name);
	free(channel);
	return 0;
}

static errcode_t cb_io_set_blksize(io_channel channel, int size)
{
	channel->block_size = size;
	return 0;
}

static errcode_t cb_io_read64(io_channel channel, unsigned long long block, int count, void *data)
{
	struct comeback_ext *ext = owner(channel);
	uint64_t offset;

	if (__builtin_mul_overflow((uint64_t)block, (uint64_t)channel->block_size, &offset))
		return EXT2_ET_BAD_BLOCK_NUM;
	return ext->read(ext->ctx, offset, data, length(channel, count)) ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t cb_io_write64(io_channel channel, unsigned long long block, int count, const void *data)
{
	struct comeback_ext *ext = owner(channel);
	uint64_t offset;

	if (__builtin_mul_overflow((uint64_t)block, (uint64_t)channel->block_size, &offset))
		return EXT2_ET_BAD_BLOCK_NUM;
	return ext->write(ext->ctx, offset, data, length(channel, count)) ? EXT2_ET_SHORT_WRITE : 0;
}

static errcode_t cb_io_read(io_channel channel, unsigned long block, int count, void *data)
{
	return cb_io_read64(channel, block, count, data);
}

static errcode_t cb_io_write(io_channel channel, unsigned long block, int count, const void *data)
{
	return cb_io_write64(channel, block, count, data);
}

static errcode_t cb_io_flush(io_channel channel)
{
	(void)channel;
	return 0;
}

/* Without this, ext2fs_zero_blocks2 uses a buffer that all threads share; so it must not even fall back to it. */
static errcode_t cb_io_zeroout(io_channel channel, unsigned long long block, unsigned long long count)
{
	struct comeback_ext *ext = owner(channel);
	void *zeros = calloc(1, (size_t)channel->block_size);
	errcode_t error = zeros ? 0 : EXT2_ET_NO_MEMORY;

	for (; !error && count > 0; block++, count--)
		error = cb_io_write64(channel, block, 1, zeros);
	free(zeros);
	if (error && !ext->failed)
		ext->failed = error;
	return 0;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "comeback",
	.open = cb_io_open,
	.close = cb_io_close,
	.set_blksize = cb_io_set_blksize,
	.read_blk = cb_io_read,
	.write_blk = cb_io_write,
	.flush = cb_io_flush,
	.read_blk64 = cb_io_read64,
	.write_blk64 = cb_io_write64,
	.zeroout = cb_io_zeroout,
};

static errcode_t cb_io_open(const char *name, int flags, io_channel *out)
{
	io_channel channel = calloc(1, sizeof *channel);

	(void)flags;
	if (!channel)
		return EXT2_ET_NO_MEMORY;
	channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->manager = &manager;
	channel->name = strdup(name);
	if (!channel->name) {
		free(channel);
		return EXT2_ET_NO_MEMORY;
	}
	channel->block_size = 1024;
	channel->refcount = 1;
	channel->private_data = opening;
	*out = channel;
	return 0;
}

errcode_t comeback_open_channel(struct comeback_ext *ext, int flags)
{
	errcode_t error;

	opening = ext;
	error = ext2fs_open2("comeback", NULL, flags, 0, 0, &manager, &ext->fs);
	opening = NULL;
	return error;
}
