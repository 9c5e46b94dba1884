/* Reading: inodes, block maps, directories, attributes. */
#include "shim.h"

errcode_t comeback_read_full(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_inode_large **out)
{
	unsigned int size = EXT2_INODE_SIZE(ext->fs->super);
	struct ext2_inode_large *inode = calloc(1, size > sizeof *inode ? size : sizeof *inode);
	errcode_t error;

	if (!inode)
		return EXT2_ET_NO_MEMORY;
	error = ext2fs_read_inode_full(ext->fs, ino, (struct ext2_inode *)inode, (int)size);
	if (error)
		free(inode);
	else
		*out = inode;
	return error;
}

errcode_t comeback_write_full(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_inode_large *inode)
{
	return ext2fs_write_inode_full(ext->fs, ino, (struct ext2_inode *)inode, (int)EXT2_INODE_SIZE(ext->fs->super));
}

static int64_t time_of(uint32_t low, uint32_t extra)
{
	return (int64_t)(int32_t)low + ((int64_t)(extra & 3) << 32);
}

long comeback_ext_inode(struct comeback_ext *ext, uint32_t ino, struct comeback_inode *out)
{
	struct ext2_inode_large *inode;
	errcode_t error = comeback_read_full(ext, ino, &inode);

	if (error)
		return error;
	memset(out, 0, sizeof *out);
	out->size = EXT2_I_SIZE(inode);
	out->atime = time_of(inode->i_atime, HAS(ext, inode, i_atime_extra) ? inode->i_atime_extra : 0);
	out->mtime = time_of(inode->i_mtime, HAS(ext, inode, i_mtime_extra) ? inode->i_mtime_extra : 0);
	out->ctime = time_of(inode->i_ctime, HAS(ext, inode, i_ctime_extra) ? inode->i_ctime_extra : 0);
	out->mode = inode->i_mode;
	out->uid = inode_uid(*inode);
	out->gid = inode_gid(*inode);
	out->flags = inode->i_flags;
	out->links = inode->i_links_count;
	memcpy(out->block, inode->i_block, sizeof out->block);
	out->has_acl_block = ext2fs_file_acl_block(ext->fs, (struct ext2_inode *)inode) != 0;
	free(inode);
	return 0;
}

struct map_walk {
	struct comeback_ext *ext;
	void *ctx;
	int (*found)(void *ctx, uint64_t logical, uint64_t physical, uint64_t len, int unwritten);
	uint64_t next, seen, limit;
	uint64_t logical, physical, len;
	errcode_t error;
};

static int map_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t ref, int offset, void *data)
{
	struct map_walk *walk = data;

	(void)ref;
	(void)offset;
	if (++walk->seen > walk->limit || comeback_impossible(fs, *block)) {
		walk->error = EXT2_ET_INODE_CORRUPTED;
		return BLOCK_ABORT;
	}
	if (count < 0)
		return 0;
	if (walk->len && walk->logical + walk->len == (uint64_t)count && walk->physical + walk->len == *block) {
		walk->len++;
		return 0;
	}
	if (walk->len && walk->found(walk->ctx, walk->logical, walk->physical, walk->len, 0)) {
		walk->error = EXT2_ET_NO_MEMORY;
		return BLOCK_ABORT;
	}
	walk->logical = (uint64_t)count;
	walk->physical = *block;
	walk->len = 1;
	return 0;
}

/* Calls `found` for each run of blocks, in ascending logical order. Refuses trees that go in circles, overlap, lead out
 * of the file system or have more blocks than the inode claims, so that nothing that libext2fs does with the inode
 * afterwards can go on for ever. */
long comeback_ext_map(struct comeback_ext *ext, uint32_t ino,
		      int (*found)(void *, uint64_t, uint64_t, uint64_t, int), void *ctx)
{
	ext2_filsys fs = ext->fs;
	struct map_walk walk = { .ext = ext, .ctx = ctx, .found = found };
	struct ext2_inode inode;
	ext2_extent_handle_t handle;
	struct ext2fs_extent extent;
	uint64_t sectors, size;
	errcode_t error = ext2fs_read_inode(fs, ino, &inode);

	if (error)
		return error;
	if (inode.i_flags & EXT4_INLINE_DATA_FL || ext2fs_is_fast_symlink(&inode) ||
	    !(LINUX_S_ISREG(inode.i_mode) || LINUX_S_ISDIR(inode.i_mode) || LINUX_S_ISLNK(inode.i_mode)))
		return 0;
	sectors = ext2fs_get_stat_i_blocks(fs, &inode);
	size = EXT2_I_SIZE(&inode);
	walk.limit = (sectors / (fs->blocksize / 512) > size / fs->blocksize ? sectors / (fs->blocksize / 512) :
									       size / fs->blocksize) + 64;
	if (walk.limit > ext2fs_blocks_count(fs->super))
		walk.limit = ext2fs_blocks_count(fs->super);

	if (!(inode.i_flags & EXT4_EXTENTS_FL)) {
		error = ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, map_block, &walk);
		if (walk.error)
			return walk.error;
		if (!error && walk.len && found(ctx, walk.logical, walk.physical, walk.len, 0))
			error = EXT2_ET_NO_MEMORY;
		return error;
	}
	if (((struct ext3_extent_header *)inode.i_block)->eh_depth > MAX_DEPTH)
		return EXT2_ET_EXTENT_HEADER_BAD;
	error = ext2fs_extent_open2(fs, ino, &inode, &handle);
	if (error)
		return error;
	error = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &extent);
	while (!error) {
		if (++walk.seen > walk.limit) {
			error = EXT2_ET_INODE_CORRUPTED;
			break;
		}
		if (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) {
			if (extent.e_lblk < walk.next || extent.e_len == 0 || comeback_impossible(fs, extent.e_pblk) ||
			    comeback_impossible(fs, extent.e_pblk + extent.e_len - 1)) {
				error = EXT2_ET_INODE_CORRUPTED;
				break;
			}
			walk.next = extent.e_lblk + extent.e_len;
			if (found(ctx, extent.e_lblk, extent.e_pblk, extent.e_len,
				  !!(extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT))) {
				error = EXT2_ET_NO_MEMORY;
				break;
			}
		}
		error = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT, &extent);
	}
	ext2fs_extent_free(handle);
	/* A tree without any entry has no current node. */
	return error == EXT2_ET_EXTENT_NO_NEXT || error == EXT2_ET_NO_CURRENT_NODE ? 0 : error;
}

static int ignore_extent(void *ctx, uint64_t logical, uint64_t physical, uint64_t len, int unwritten)
{
	(void)ctx, (void)logical, (void)physical, (void)len, (void)unwritten;
	return 0;
}

errcode_t comeback_check_map(struct comeback_ext *ext, ext2_ino_t ino)
{
	return comeback_ext_map(ext, ino, ignore_extent, NULL);
}

long comeback_ext_lookup(struct comeback_ext *ext, uint32_t dir, const char *name, uint64_t len, uint32_t *out)
{
	ext2_ino_t ino = 0;
	errcode_t error = comeback_check_map(ext, dir);

	if (!error)
		error = ext2fs_lookup(ext->fs, dir, name, (int)len, NULL, &ino);
	if (!error && (ino == 0 || ino > ext->fs->super->s_inodes_count))
		error = EXT2_ET_DIR_CORRUPTED;
	*out = ino;
	return error;
}

struct dir_walk {
	void *ctx;
	int (*found)(void *ctx, const char *name, uint64_t len);
};

static int dir_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *dirent, int offset, int size, char *buf, void *data)
{
	struct dir_walk *walk = data;

	(void)dir, (void)entry, (void)offset, (void)size, (void)buf;
	return walk->found(walk->ctx, dirent->name, (uint64_t)ext2fs_dirent_name_len(dirent)) ? DIRENT_ABORT : 0;
}

long comeback_ext_dir(struct comeback_ext *ext, uint32_t ino, int (*found)(void *, const char *, uint64_t), void *ctx)
{
	struct dir_walk walk = { ctx, found };
	errcode_t error = comeback_check_map(ext, ino);

	return error ? error : ext2fs_dir_iterate2(ext->fs, ino, 0, NULL, dir_entry, &walk);
}

/* The content of an inode that keeps it inline: at most one block. */
long comeback_ext_inline(struct comeback_ext *ext, uint32_t ino, int (*found)(void *, const char *, uint64_t), void *ctx)
{
	size_t size = 0;
	errcode_t error = ext2fs_inline_data_size(ext->fs, ino, &size);
	char *data;

	if (error)
		return error;
	if (size > ext->fs->blocksize)
		return EXT2_ET_INODE_CORRUPTED;
	data = calloc(1, size + 1);
	if (!data)
		return EXT2_ET_NO_MEMORY;
	error = ext2fs_inline_data_get(ext->fs, ino, NULL, data, &size);
	if (!error && found(ctx, data, size))
		error = EXT2_ET_NO_MEMORY;
	free(data);
	return error;
}

struct xattr_walk {
	void *ctx;
	int (*found)(void *ctx, const char *name, const void *value, uint64_t len);
	int failed;
};

static int xattr_entry(char *name, char *value, size_t len, void *data)
{
	struct xattr_walk *walk = data;

	walk->failed = walk->found(walk->ctx, name, value, len);
	return walk->failed ? XATTR_ABORT : 0;
}

errcode_t comeback_open_xattrs(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_xattr_handle **out)
{
	errcode_t error = ext2fs_xattrs_open(ext->fs, ino, out);

	if (error)
		return error;
	error = ext2fs_xattrs_read(*out);
	if (error)
		ext2fs_xattrs_close(out);
	return error;
}

long comeback_ext_xattrs(struct comeback_ext *ext, uint32_t ino,
			 int (*found)(void *, const char *, const void *, uint64_t), void *ctx)
{
	struct xattr_walk walk = { ctx, found, 0 };
	struct ext2_xattr_handle *handle;
	errcode_t error = comeback_open_xattrs(ext, ino, &handle);

	if (error)
		return error == EXT2_ET_MISSING_EA_FEATURE ? 0 : error;
	error = ext2fs_xattrs_iterate(handle, xattr_entry, &walk);
	if (!error && walk.failed)
		error = EXT2_ET_NO_MEMORY;
	ext2fs_xattrs_close(&handle);
	return error;
}

/* The runs of blocks that a group's bitmap shows in use. */
long comeback_ext_used(struct comeback_ext *ext, uint32_t group, int (*found)(void *, uint64_t, uint64_t), void *ctx)
{
	ext2_filsys fs = ext->fs;
	blk64_t first = ext2fs_group_first_block2(fs, group), count = (blk64_t)ext2fs_group_blocks_count(fs, group);
	unsigned int clusters = comeback_clusters_in(fs, group), from, to;
	unsigned char *bits = malloc(fs->blocksize);
	errcode_t error;

	if (!bits)
		return EXT2_ET_NO_MEMORY;
	error = comeback_read_block_bitmap(ext, group, bits);
	for (from = 0; !error && from < clusters; from = to) {
		int used = ext2fs_test_bit((int)from, bits);
		blk64_t start, end;

		for (to = from; to < clusters && !ext2fs_test_bit((int)to, bits) == !used; to++)
			;
		start = EXT2FS_C2B(fs, (blk64_t)from);
		end = EXT2FS_C2B(fs, (blk64_t)to);
		if (end > count)
			end = count;
		if (used && found(ctx, first + start, end - start))
			error = EXT2_ET_NO_MEMORY;
	}
	free(bits);
	return error;
}

uint32_t comeback_ext_groups(struct comeback_ext *ext)
{
	return ext->fs->group_desc_count;
}
