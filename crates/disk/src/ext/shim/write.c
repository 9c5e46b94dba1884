/* Writing: files, directories and links are created, resized and removed. */
#include "shim.h"

long comeback_ext_set_flags(struct comeback_ext *ext, uint32_t ino, uint32_t set, uint32_t clear)
{
	struct ext2_inode_large *inode;
	errcode_t error = comeback_read_full(ext, ino, &inode);

	if (error)
		return error;
	inode->i_flags = (inode->i_flags & ~clear) | set;
	error = comeback_write_full(ext, ino, inode);
	free(inode);
	return error;
}

static uint32_t extra_of(int64_t time)
{
	return (uint32_t)(((time - (int64_t)(int32_t)time) >> 32) & 3);
}

/* Owner, permission bits and all times of a new inode. */
long comeback_ext_set_attributes(struct comeback_ext *ext, uint32_t ino, uint32_t mode, uint32_t uid, uint32_t gid,
				 int64_t time)
{
	struct ext2_inode_large *inode;
	errcode_t error = comeback_read_full(ext, ino, &inode);

	if (error)
		return error;
	inode->i_mode = (__u16)((inode->i_mode & LINUX_S_IFMT) | (mode & 07777));
	inode->i_uid = (__u16)uid;
	inode->osd2.linux2.l_i_uid_high = (__u16)(uid >> 16);
	inode->i_gid = (__u16)gid;
	inode->osd2.linux2.l_i_gid_high = (__u16)(gid >> 16);
	inode->i_atime = inode->i_mtime = inode->i_ctime = (__u32)time;
	if (HAS(ext, inode, i_ctime_extra))
		inode->i_ctime_extra = extra_of(time);
	if (HAS(ext, inode, i_mtime_extra))
		inode->i_mtime_extra = extra_of(time);
	if (HAS(ext, inode, i_atime_extra))
		inode->i_atime_extra = extra_of(time);
	if (HAS(ext, inode, i_crtime))
		inode->i_crtime = (__u32)time;
	if (HAS(ext, inode, i_crtime_extra))
		inode->i_crtime_extra = extra_of(time);
	error = comeback_write_full(ext, ino, inode);
	free(inode);
	return error;
}

/* mtime and ctime of a directory that was changed. */
long comeback_ext_touch(struct comeback_ext *ext, uint32_t ino, int64_t time)
{
	struct ext2_inode_large *inode;
	errcode_t error = comeback_read_full(ext, ino, &inode);

	if (error)
		return error;
	inode->i_mtime = inode->i_ctime = (__u32)time;
	if (HAS(ext, inode, i_ctime_extra))
		inode->i_ctime_extra = extra_of(time);
	if (HAS(ext, inode, i_mtime_extra))
		inode->i_mtime_extra = extra_of(time);
	error = comeback_write_full(ext, ino, inode);
	free(inode);
	return error;
}

long comeback_ext_set_xattr(struct comeback_ext *ext, uint32_t ino, const char *name, const void *value, uint64_t len)
{
	struct ext2_xattr_handle *handle;
	errcode_t error = comeback_open_xattrs(ext, ino, &handle);

	if (error)
		return error;
	error = ext2fs_xattr_set(handle, name, value, len);
	ext2fs_xattrs_close(&handle);
	return error;
}

/* Replaces the content of an inode that keeps it inline; EXT2_ET_INLINE_DATA_NO_SPACE when it does not fit. */
static errcode_t set_inline(struct comeback_ext *ext, ext2_ino_t ino, const void *data, uint64_t len)
{
	struct ext2_inode_large *inode;
	char padded[EXT4_MIN_INLINE_DATA_SIZE] = { 0 };
	errcode_t error;

	/* What was there before would stay behind a shorter content. */
	if (len < sizeof padded) {
		memcpy(padded, data, len);
		error = ext2fs_inline_data_set(ext->fs, ino, NULL, padded, sizeof padded);
	} else {
		error = ext2fs_inline_data_set(ext->fs, ino, NULL, (void *)data, len);
	}
	if (error)
		return error;
	error = comeback_read_full(ext, ino, &inode);
	if (error)
		return error;
	error = ext2fs_inode_size_set(ext->fs, (struct ext2_inode *)inode, (ext2_off64_t)len);
	if (!error)
		error = comeback_write_full(ext, ino, inode);
	free(inode);
	return error;
}

/* Moves an inode's content out of the inode: libext2fs does that only when more is written than fits. */
static errcode_t expand_inline(struct comeback_ext *ext, ext2_ino_t ino, const void *data, uint64_t len)
{
	unsigned int written, count = len < ext->fs->blocksize ? (unsigned int)len : ext->fs->blocksize;
	ext2_file_t file;
	errcode_t error = ext2fs_file_open(ext->fs, ino, EXT2_FILE_WRITE, &file), closed;

	if (error)
		return error;
	error = ext2fs_file_write(file, data, count, &written);
	closed = ext2fs_file_close(file);
	return error ? error : closed;
}

/* Gives blocks back that an inode no longer maps: of a cluster, only when nothing else in it is mapped. */
static errcode_t give_back(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode, blk64_t lblk, blk64_t pblk,
			   blk64_t count)
{
	blk64_t ratio = (blk64_t)EXT2FS_CLUSTER_RATIO(fs), end = lblk + count, freed = 0;
	errcode_t error = 0;

	while (!error && lblk < end) {
		blk64_t step = ratio - (lblk & (ratio - 1)), other = 0;

		if (step > end - lblk)
			step = end - lblk;
		error = ext2fs_map_cluster_block(fs, ino, inode, lblk, &other);
		if (!error && !other) {
			ext2fs_block_alloc_stats2(fs, pblk, -1);
			freed++;
		}
		lblk += step;
		pblk += step;
	}
	return error ? error : ext2fs_iblk_sub_blocks(fs, inode, freed);
}

/* Unmaps all blocks from `need` on. ext2fs_punch of 1.47.0 fails on extent trees with more than the root ("illegal block
 * number" when a file that lies in several groups is cut short), so extents are taken from the end, one by one. */
static errcode_t truncate_blocks(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode, blk64_t need)
{
	ext2_extent_handle_t handle;
	struct ext2fs_extent extent;
	errcode_t error = 0;

	if (!(inode->i_flags & EXT4_EXTENTS_FL))
		return ext2fs_punch(fs, ino, inode, NULL, need, ~0ULL);
	for (;;) {
		blk64_t keep;

		error = ext2fs_extent_open2(fs, ino, inode, &handle);
		if (error)
			return error;
		error = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &extent);
		if (!error)
			error = ext2fs_extent_get(handle, EXT2_EXTENT_LAST_LEAF, &extent);
		if (error || extent.e_lblk + extent.e_len <= need)
			break;
		keep = extent.e_lblk < need ? need - extent.e_lblk : 0;
		if (keep) {
			struct ext2fs_extent rest = extent;

			rest.e_len = (__u32)keep;
			error = ext2fs_extent_replace(handle, 0, &rest);
		} else {
			error = ext2fs_extent_delete(handle, 0);
			if (!error)
				error = ext2fs_extent_fix_parents(handle);
			if (error == EXT2_ET_NO_CURRENT_NODE)
				error = 0;
		}
		ext2fs_extent_free(handle);
		if (!error)
			error = give_back(fs, ino, inode, extent.e_lblk + keep, extent.e_pblk + keep, extent.e_len - keep);
		if (!error)
			error = ext2fs_write_inode(fs, ino, inode);
		if (error)
			return error;
	}
	ext2fs_extent_free(handle);
	return error == EXT2_ET_NO_CURRENT_NODE || error == EXT2_ET_EXTENT_NO_NEXT ? 0 : error;
}

/* Gives a regular file exactly the blocks that `size` bytes need, and that size. `done` is set when the content was
 * stored as well, inline. Blocks that the file has stay where they are. */
long comeback_ext_resize(struct comeback_ext *ext, uint32_t ino, uint64_t size, const void *data, int *done)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode inode;
	blk64_t need = (size + fs->blocksize - 1) / fs->blocksize, i, block;
	errcode_t error = comeback_check_map(ext, ino);
	int flags;

	*done = 0;
	if (!error)
		error = ext2fs_read_inode(fs, ino, &inode);
	if (error)
		return error;
	if (inode.i_flags & EXT4_INLINE_DATA_FL) {
		error = set_inline(ext, ino, data, size);
		*done = !error;
		if (error != EXT2_ET_INLINE_DATA_NO_SPACE)
			return error;
		error = expand_inline(ext, ino, data, size);
		if (!error)
			error = ext2fs_read_inode(fs, ino, &inode);
		if (error)
			return error;
	}
	error = truncate_blocks(fs, ino, &inode, need);
	for (i = 0; !error && i < need; i++) {
		error = ext2fs_bmap2(fs, ino, NULL, NULL, 0, i, &flags, &block);
		if (!error && !block)
			error = ext2fs_bmap2(fs, ino, NULL, NULL, BMAP_ALLOC, i, NULL, &block);
		else if (!error && flags & BMAP_RET_UNINIT)
			error = ext2fs_bmap2(fs, ino, NULL, NULL, BMAP_SET, i, NULL, &block);
	}
	if (!error)
		error = ext2fs_read_inode(fs, ino, &inode);
	if (!error)
		error = ext2fs_inode_size_set(fs, &inode, (ext2_off64_t)size);
	return error ? error : ext2fs_write_inode(fs, ino, &inode);
}

/* Maps `count` blocks from `block` on through indirect blocks of the given depth (1 to 3). */
static errcode_t map_indirect(ext2_filsys fs, int depth, blk64_t *block, blk64_t *count, __u32 *out, unsigned int *meta)
{
	unsigned int slots = fs->blocksize / 4, i;
	__u32 *table = calloc(1, fs->blocksize);
	errcode_t error;
	blk64_t own;

	if (!table)
		return EXT2_ET_NO_MEMORY;
	error = ext2fs_alloc_block2(fs, *block, NULL, &own);
	if (!error)
		++*meta;
	for (i = 0; !error && i < slots && *count > 0; i++) {
		if (depth > 1) {
			error = map_indirect(fs, depth - 1, block, count, &table[i], meta);
		} else {
			table[i] = (__u32)*block;
			++*block;
			--*count;
		}
	}
	if (!error)
		error = io_channel_write_blk64(fs->io, own, 1, table);
	free(table);
	*out = (__u32)own;
	return error;
}

/* Gives an empty regular file `size` bytes in one run of blocks; EXT2_ET_BLOCK_ALLOC_FAIL when there is no such run. */
long comeback_ext_allocate_run(struct comeback_ext *ext, uint32_t ino, uint64_t size)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode inode;
	blk64_t need = (size + fs->blocksize - 1) / fs->blocksize;
	blk64_t run, at, taken = EXT2FS_C2B(fs, EXT2FS_NUM_B2C(fs, need)), left = need;
	ext2_extent_handle_t handle;
	unsigned int meta = 0;
	int i, depth;
	errcode_t error = ext2fs_read_inode(fs, ino, &inode);

	if (error || !need)
		return error;
	error = comeback_find_run(ext, ext2fs_find_inode_goal(fs, ino, &inode, 0), taken, &run);
	if (error)
		return error;
	for (at = run; at < run + taken; at += (blk64_t)EXT2FS_CLUSTER_RATIO(fs))
		ext2fs_block_alloc_stats2(fs, at, +1);
	at = run;
	if (inode.i_flags & EXT4_EXTENTS_FL) {
		ext2fs_iblk_add_blocks(fs, &inode, EXT2FS_B2C(fs, taken));
		error = ext2fs_extent_open2(fs, ino, &inode, &handle);
		for (; !error && left > 0; left--, at++)
			error = ext2fs_extent_set_bmap(handle, at - run, at, 0);
		if (!error)
			ext2fs_extent_free(handle);
	} else {
		for (i = 0; i < EXT2_NDIR_BLOCKS && left > 0; i++, at++, left--)
			inode.i_block[i] = (__u32)at;
		for (depth = 1; !error && depth <= 3 && left > 0; depth++)
			error = map_indirect(fs, depth, &at, &left, &inode.i_block[EXT2_NDIR_BLOCKS + depth - 1], &meta);
		if (!error && left > 0)
			error = EXT2_ET_FILE_TOO_BIG;
		ext2fs_iblk_add_blocks(fs, &inode, EXT2FS_B2C(fs, taken) + meta);
	}
	if (!error)
		error = ext2fs_inode_size_set(fs, &inode, (ext2_off64_t)size);
	return error ? error : ext2fs_write_inode(fs, ino, &inode);
}

/* Zeros what lies between a name and the next entry. */
static int wipe_slack(ext2_ino_t dir, int entry, struct ext2_dir_entry *dirent, int offset, int size, char *buf, void *data)
{
	ext2_filsys fs = data;
	unsigned int used = 8 + (unsigned int)ext2fs_dirent_name_len(dirent), len;

	(void)dir, (void)offset, (void)size, (void)buf;
	/* The root of an index tree lies behind the name of "..". */
	if (entry != DIRENT_OTHER_FILE || ext2fs_get_rec_len(fs, dirent, &len))
		return 0;
	for (; used < len; used++) {
		if (((char *)dirent)[used]) {
			memset((char *)dirent + used, 0, len - used);
			return DIRENT_CHANGED;
		}
	}
	return 0;
}

/* When ext2fs_link of 1.47.0 splits a leaf of an index tree, it writes memory that it never set: not the same twice, and
 * nothing that belongs on a guest's disk. */
static errcode_t link_into(struct comeback_ext *ext, ext2_ino_t dir, const char *name, ext2_ino_t ino, int type)
{
	struct ext2_inode before, after;
	errcode_t error = ext2fs_read_inode(ext->fs, dir, &before);

	if (!error)
		error = ext2fs_link(ext->fs, dir, name, ino, type);
	if (error == EXT2_ET_DIR_NO_SPACE) {
		error = ext2fs_expand_dir(ext->fs, dir);
		if (!error)
			error = ext2fs_link(ext->fs, dir, name, ino, type);
	}
	if (!error)
		error = ext2fs_read_inode(ext->fs, dir, &after);
	if (!error && after.i_flags & EXT2_INDEX_FL && !(after.i_flags & EXT4_CASEFOLD_FL) &&
	    EXT2_I_SIZE(&after) != EXT2_I_SIZE(&before))
		error = ext2fs_dir_iterate2(ext->fs, dir, 0, NULL, wipe_slack, ext->fs);
	return error;
}

/* Creates an inode under a name that is still free. `target` is a link's target, NULL makes a regular file or, with
 * `isdir`, a directory. Attributes are set, content and xattrs are for the caller. */
long comeback_ext_create(struct comeback_ext *ext, uint32_t dir, const char *name, int isdir, const char *target,
			 uint32_t *out)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode inode;
	ext2_extent_handle_t handle;
	ext2_ino_t ino;
	int type = isdir ? EXT2_FT_DIR : target ? EXT2_FT_SYMLINK : EXT2_FT_REG_FILE;
	errcode_t error = comeback_check_map(ext, dir);

	if (!error)
		error = comeback_find_inode(ext, dir, &ino);
	if (error)
		return error;
	if (isdir || target) {
		/* These take the inode themselves, after they have taken their blocks. */
		error = comeback_ready_group(ext, ino);
		if (!error)
			error = isdir ? ext2fs_mkdir(fs, dir, ino, NULL) : ext2fs_symlink(fs, dir, ino, NULL, target);
	} else {
		memset(&inode, 0, sizeof inode);
		inode.i_mode = LINUX_S_IFREG | 0600;
		inode.i_links_count = 1;
		if (ext2fs_has_feature_extents(fs->super)) {
			inode.i_flags |= EXT4_EXTENTS_FL;
			error = ext2fs_extent_open2(fs, ino, &inode, &handle);
			if (error)
				return error;
			ext2fs_extent_free(handle);
		}
		error = ext2fs_write_new_inode(fs, ino, &inode);
		if (!error)
			error = comeback_ready_group(ext, ino);
		if (!error)
			ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
	}
	*out = ino;
	return error ? error : link_into(ext, dir, name, ino, type);
}

/* Takes a name away, and with the last name the inode. */
long comeback_ext_remove(struct comeback_ext *ext, uint32_t dir, const char *name, uint32_t ino)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode_large *inode;
	errcode_t error = comeback_check_map(ext, dir);

	if (!error)
		error = comeback_check_map(ext, ino);
	if (!error)
		error = comeback_load_inodes(ext, ext2fs_group_of_ino(fs, ino));
	if (!error && !(ext->inodes[ext2fs_group_of_ino(fs, ino)] & LOADED))
		error = EXT2_ET_FILESYSTEM_CORRUPTED;
	if (!error)
		error = ext2fs_unlink(fs, dir, name, ino, 0);
	if (!error)
		error = comeback_read_full(ext, ino, &inode);
	if (error)
		return error;
	if (inode->i_links_count > 1) {
		inode->i_links_count--;
		error = comeback_write_full(ext, ino, inode);
		free(inode);
		return error;
	}
	inode->i_links_count = 0;
	inode->i_dtime = (__u32)fs->now;
	error = ext2fs_free_ext_attr(fs, ino, inode);
	if (!error)
		error = comeback_write_full(ext, ino, inode);
	if (!error && ext2fs_inode_has_valid_blocks2(fs, (struct ext2_inode *)inode))
		error = truncate_blocks(fs, ino, (struct ext2_inode *)inode, 0);
	free(inode);
	if (!error) {
		ext->inodes[ext2fs_group_of_ino(fs, ino)] |= DIRTY;
		ext2fs_inode_alloc_stats2(fs, ino, -1, 0);
	}
	return error;
}
